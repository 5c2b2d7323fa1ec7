// Files and descriptors: open, read, write, close, pipe, ioctl, flock, fsync, statvfs, sync.
//
// Every call that may wait lets go of the global lock and goes on after a signal
// (MP_HAL_RETRY_SYSCALL), because the collector sends signals to threads. Every descriptor made
// here closes on exec.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/objint.h"
#include "py/runtime.h"

#include "calls.h"

// A request of the generic layout (asm-generic/ioctl.h): nr 8, type 8, size 14, direction 2 bits.
#define REQUEST_SIZE(request) ((request) >> 16 & 0x3fff)
#define REQUEST_DIRECTION(request) ((request) >> 30)

// Requests from before that layout do not say how much the kernel writes; none that is known
// writes more than this, and a shorter buffer is not overrun.
#define SCRATCH_BYTES 1024

static int open_descriptor(const char *path, int flags, int mode) {
    int fd;
    MP_HAL_RETRY_SYSCALL(fd, open(path, flags | O_CLOEXEC, mode),
        mp_raise_OSError_with_filename(err, path));
    return fd;
}

// open(path, flags, mode=0o666) -> descriptor
static mp_obj_t linux_open(size_t count, const mp_obj_t *arguments) {
    const char *path = linux_text(arguments[0]);
    int flags = linux_int(arguments[1], 0, INT_MAX, MP_QSTR_flags);
    int mode = count > 2 ? linux_int(arguments[2], 0, 07777, MP_QSTR_mode) : 0666;
    return MP_OBJ_NEW_SMALL_INT(open_descriptor(path, flags, mode));
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(linux_open_obj, 2, 3, linux_open);

// read(fd, size) -> bytes, b"" at the end, None when nothing is there yet
static mp_obj_t linux_read(mp_obj_t file, mp_obj_t size) {
    int fd = linux_descriptor(file);
    vstr_t data;
    vstr_init_len(&data, linux_int(size, 0, INT_MAX / 2, MP_QSTR_size));
    ssize_t got;
    MP_HAL_RETRY_SYSCALL(got, read(fd, data.buf, data.len), {
        if (err == EAGAIN) {
            return mp_const_none;
        }
        mp_raise_OSError(err);
    });
    data.len = got;
    return mp_obj_new_bytes_from_vstr(&data);
}
MP_DEFINE_CONST_FUN_OBJ_2(linux_read_obj, linux_read);

// write(fd, data) -> bytes taken, None when there is no room yet
static mp_obj_t linux_write(mp_obj_t file, mp_obj_t data) {
    int fd = linux_descriptor(file);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    ssize_t taken;
    MP_HAL_RETRY_SYSCALL(taken, write(fd, buffer.buf, buffer.len), {
        if (err == EAGAIN) {
            return mp_const_none;
        }
        mp_raise_OSError(err);
    });
    return mp_obj_new_int(taken);
}
MP_DEFINE_CONST_FUN_OBJ_2(linux_write_obj, linux_write);

// close(fd); an int only, because an object closes itself
static mp_obj_t linux_close(mp_obj_t number) {
    int fd = linux_int(number, 0, INT_MAX, MP_QSTR_fd);
    MP_THREAD_GIL_EXIT();
    int status = close(fd); // never again after EINTR: the number may be somebody else's by then
    MP_THREAD_GIL_ENTER();
    if (status == -1 && errno != EINTR) {
        linux_failed();
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_close_obj, linux_close);

// pipe() -> (descriptor to read, descriptor to write)
static mp_obj_t linux_pipe(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1) {
        linux_failed();
    }
    mp_obj_t both[2] = { MP_OBJ_NEW_SMALL_INT(ends[0]), MP_OBJ_NEW_SMALL_INT(ends[1]) };
    return mp_obj_new_tuple(2, both);
}
MP_DEFINE_CONST_FUN_OBJ_0(linux_pipe_obj, linux_pipe);

static mp_obj_t ioctl_buffer(int fd, unsigned int request, mp_obj_t object) {
    mp_buffer_info_t buffer;
    bool writable = mp_get_buffer(object, &buffer, MP_BUFFER_RW);
    if (!writable) {
        mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    }
    if (REQUEST_DIRECTION(request) != 0 && buffer.len < REQUEST_SIZE(request)) {
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("the request needs a buffer of %d bytes, this has %d"),
            (int)REQUEST_SIZE(request), (int)buffer.len);
    }
    // A copy: the object may change or shrink while the lock is not held.
    byte fixed[SCRATCH_BYTES];
    byte *scratch = buffer.len > SCRATCH_BYTES ? m_new(byte, buffer.len) : fixed;
    memset(fixed, 0, sizeof(fixed));
    memcpy(scratch, buffer.buf, buffer.len);
    int result;
    MP_HAL_RETRY_SYSCALL(result, ioctl(fd, request, scratch), mp_raise_OSError(err));
    if (writable) {
        mp_buffer_info_t now;
        mp_get_buffer_raise(object, &now, MP_BUFFER_RW);
        memcpy(now.buf, scratch, MIN(now.len, buffer.len));
    }
    return mp_obj_new_int(result);
}

// ioctl(fd, request, argument=0) -> int; the argument an int, or a buffer that is updated in
// place where it can be written to
static mp_obj_t linux_ioctl(size_t count, const mp_obj_t *arguments) {
    int fd = linux_descriptor(arguments[0]);
    uint64_t request = linux_unsigned(arguments[1], MP_QSTR_request);
    if (request > UINT_MAX) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%q is out of range"),
            (qstr)MP_QSTR_request);
    }
    if (count > 2 && !mp_obj_is_int(arguments[2])) {
        return ioctl_buffer(fd, request, arguments[2]);
    }
    mp_int_t value = 0;
    if (count > 2 && mp_obj_int_sign(arguments[2]) < 0) {
        value = mp_obj_get_int(arguments[2]);
    } else if (count > 2) {
        value = mp_obj_get_uint(arguments[2]);
    }
    int result;
    MP_HAL_RETRY_SYSCALL(result, ioctl(fd, (unsigned int)request, value), mp_raise_OSError(err));
    return mp_obj_new_int(result);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(linux_ioctl_obj, 2, 3, linux_ioctl);

// flock(fd, operation); OSError(EAGAIN) when LOCK_NB was given and somebody else holds it
static mp_obj_t linux_flock(mp_obj_t file, mp_obj_t operation) {
    int fd = linux_descriptor(file);
    int what = linux_int(operation, 0, INT_MAX, MP_QSTR_operation);
    int status;
    MP_HAL_RETRY_SYSCALL(status, flock(fd, what), mp_raise_OSError(err));
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(linux_flock_obj, linux_flock);

// fsync(fd or path); a path may be a folder's, whose names are then on the medium
static mp_obj_t linux_fsync(mp_obj_t target) {
    bool named = mp_obj_is_str(target);
    int fd = named ? open_descriptor(linux_text(target), O_RDONLY, 0) : linux_descriptor(target);
    int status;
    int error = 0;
    MP_THREAD_GIL_EXIT();
    do {
        status = fsync(fd);
    } while (status == -1 && errno == EINTR);
    error = errno;
    if (named) {
        close(fd);
    }
    MP_THREAD_GIL_ENTER();
    if (status == -1) {
        mp_raise_OSError(error);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_fsync_obj, linux_fsync);

// statvfs(path) -> (bsize, frsize, blocks, bfree, bavail, files, ffree, favail, flag, namemax);
// os.statvfs cuts the counts to 31 bits on 32-bit machines
static mp_obj_t linux_statvfs(mp_obj_t where) {
    const char *path = linux_text(where);
    struct statvfs found;
    int status;
    MP_HAL_RETRY_SYSCALL(status, statvfs(path, &found),
        mp_raise_OSError_with_filename(err, path));
    const uint64_t figures[] = {
        found.f_bsize, found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail,
        found.f_files, found.f_ffree, found.f_favail, found.f_flag, found.f_namemax,
    };
    mp_obj_t items[MP_ARRAY_SIZE(figures)];
    for (size_t at = 0; at < MP_ARRAY_SIZE(figures); at++) {
        items[at] = mp_obj_new_int_from_ull(figures[at]);
    }
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
MP_DEFINE_CONST_FUN_OBJ_1(linux_statvfs_obj, linux_statvfs);

// sync(): everything written anywhere is on its medium
static mp_obj_t linux_sync(void) {
    MP_THREAD_GIL_EXIT();
    sync();
    MP_THREAD_GIL_ENTER();
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(linux_sync_obj, linux_sync);
