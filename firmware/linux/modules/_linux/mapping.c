// mmap: a window on a file or on a device's registers.
//
// Registers want accesses of an exact width, once and in order, so load() and store() are one
// volatile access each; on 64-bit machines, and with ldrd/strd on ARMv7, that holds for 64 bits.
// A bad address behind the window (a file cut short, a bus that does not answer) raises SIGBUS;
// it becomes OSError(EFAULT). There is no buffer protocol: a view would outlive close().

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "py/mpthread.h"
#include "py/runtime.h"

#include "calls.h"

typedef struct {
    mp_obj_base_t base;
    byte *pages;   // NULL once closed
    size_t mapped; // bytes from `pages`
    size_t skip;   // from `pages` to the first byte of the window
    size_t length; // of the window
    int protection;
} mapping_t;

// One access, performed under the guard.
typedef struct {
    volatile byte *address;
    byte *buffer;
    size_t length;
    int bits; // 0: copy `length` bytes
    bool stores;
    uint64_t value;
} access_t;

// Both are used by the thread that holds the global lock, from before the access until after it.
static sigjmp_buf fault_return;
static volatile sig_atomic_t guarded;

static void on_sigbus(int number) {
    if (guarded) {
        guarded = 0;
        siglongjmp(fault_return, 1);
    }
    signal(number, SIG_DFL); // not ours: the access comes again, and ends the program
}

static void guard_sigbus(void) {
    // SA_NODEFER: the jump leaves the handler with the mask as it was.
    struct sigaction action = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

#define TRANSFER(type) \
    if (access->stores) { \
        *(volatile type *)access->address = (type)access->value; \
    } else { \
        access->value = *(volatile type *)access->address; \
    } \
    break

static void perform(access_t *access) {
    switch (access->bits) {
        case 8:
            TRANSFER(uint8_t);
        case 16:
            TRANSFER(uint16_t);
        case 32:
            TRANSFER(uint32_t);
        case 64:
            TRANSFER(uint64_t);
        default:
            if (access->stores) {
                memcpy((byte *)access->address, access->buffer, access->length);
            } else {
                memcpy(access->buffer, (byte *)access->address, access->length);
            }
    }
}

static void perform_guarded(access_t *access) {
    if (sigsetjmp(fault_return, 0) != 0) {
        mp_raise_OSError(EFAULT);
    }
    guarded = 1;
    perform(access);
    guarded = 0;
}

static mapping_t *open_mapping(mp_obj_t object) {
    mapping_t *self = MP_OBJ_TO_PTR(object);
    if (self->pages == NULL) {
        mp_raise_ValueError(MP_ERROR_TEXT("the mapping is closed"));
    }
    return self;
}

// The address of `size` bytes at `offset`, checked against the window and its protection.
static byte *locate(mapping_t *self, mp_obj_t offset, size_t size, bool stores) {
    uint64_t at = linux_unsigned(offset, MP_QSTR_offset);
    if (at > self->length || size > self->length - at) {
        mp_raise_msg(&mp_type_IndexError, MP_ERROR_TEXT("outside of the mapping"));
    }
    if (!(self->protection & (stores ? PROT_WRITE : PROT_READ))) {
        mp_raise_OSError(EACCES);
    }
    return self->pages + self->skip + at;
}

static access_t exact_access(mapping_t *self, mp_obj_t offset, mp_obj_t width, bool stores) {
    int bits = linux_int(width, 8, 64, MP_QSTR_bits);
    if ((bits & (bits - 1)) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("bits must be 8, 16, 32 or 64"));
    }
    byte *address = locate(self, offset, bits / 8, stores);
    if ((uintptr_t)address % (bits / 8) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("offset is not aligned to the width"));
    }
    return (access_t) { .address = address, .bits = bits, .stores = stores };
}

// load(offset, bits) -> int
static mp_obj_t mapping_load(mp_obj_t self, mp_obj_t offset, mp_obj_t bits) {
    access_t access = exact_access(open_mapping(self), offset, bits, false);
    perform_guarded(&access);
    return mp_obj_new_int_from_ull(access.value);
}
static MP_DEFINE_CONST_FUN_OBJ_3(mapping_load_obj, mapping_load);

// store(offset, bits, value)
static mp_obj_t mapping_store(size_t count, const mp_obj_t *arguments) {
    (void)count;
    access_t access = exact_access(open_mapping(arguments[0]), arguments[1], arguments[2], true);
    access.value = linux_unsigned(arguments[3], MP_QSTR_value);
    if (access.bits < 64 && access.value >> access.bits != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("value is wider than bits"));
    }
    perform_guarded(&access);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mapping_store_obj, 4, 4, mapping_store);

static mp_obj_t copy(mp_obj_t object, mp_obj_t offset, mp_obj_t data, bool stores) {
    mapping_t *self = open_mapping(object);
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, stores ? MP_BUFFER_READ : MP_BUFFER_WRITE);
    access_t access = {
        .address = locate(self, offset, buffer.len, stores),
        .buffer = buffer.buf, .length = buffer.len, .stores = stores,
    };
    perform_guarded(&access);
    return mp_const_none;
}

// readinto(offset, buffer): fills the buffer, in accesses of any width
static mp_obj_t mapping_readinto(mp_obj_t self, mp_obj_t offset, mp_obj_t buffer) {
    return copy(self, offset, buffer, false);
}
static MP_DEFINE_CONST_FUN_OBJ_3(mapping_readinto_obj, mapping_readinto);

// write(offset, data), in accesses of any width
static mp_obj_t mapping_write(mp_obj_t self, mp_obj_t offset, mp_obj_t data) {
    return copy(self, offset, data, true);
}
static MP_DEFINE_CONST_FUN_OBJ_3(mapping_write_obj, mapping_write);

// flush(): what was written to a shared mapping of a file is on the medium
static mp_obj_t mapping_flush(mp_obj_t object) {
    mapping_t *self = open_mapping(object);
    byte *pages = self->pages;
    size_t mapped = self->mapped;
    MP_THREAD_GIL_EXIT();
    int status = msync(pages, mapped, MS_SYNC); // ENOMEM where another thread closed it
    MP_THREAD_GIL_ENTER();
    if (status == -1) {
        linux_failed();
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mapping_flush_obj, mapping_flush);

// close(); a second time does nothing
static mp_obj_t mapping_close(mp_obj_t object) {
    mapping_t *self = MP_OBJ_TO_PTR(object);
    if (self->pages != NULL) {
        munmap(self->pages, self->mapped);
        self->pages = NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mapping_close_obj, mapping_close);

static void check_file(int fd, uint64_t end) {
    struct stat about;
    if (fstat(fd, &about) == -1) {
        linux_failed();
    }
    if (S_ISREG(about.st_mode) && end > (uint64_t)about.st_size) {
        mp_raise_ValueError(MP_ERROR_TEXT("the window is longer than the file"));
    }
}

// mmap(fd, length, protection=PROT_READ|PROT_WRITE, flags=MAP_SHARED, offset=0); the offset need
// not be a page's
static mp_obj_t mapping_make_new(const mp_obj_type_t *type, size_t count, size_t named,
    const mp_obj_t *arguments) {
    mp_arg_check_num(count, named, 2, 5, false);
    int fd = linux_descriptor(arguments[0]);
    size_t page = getauxval(AT_PAGESZ); // not sysconf: 1,100 bytes of a static file
    size_t length = linux_int(arguments[1], 1, MP_SSIZE_MAX - 2 * page, MP_QSTR_length);
    int protection = PROT_READ | PROT_WRITE;
    if (count > 2) {
        protection = linux_int(arguments[2], 1, PROT_READ | PROT_WRITE, MP_QSTR_protection);
    }
    int flags = MAP_SHARED;
    if (count > 3) {
        flags = linux_int(arguments[3], MAP_SHARED, MAP_PRIVATE, MP_QSTR_flags);
    }
    uint64_t offset = count > 4 ? linux_unsigned(arguments[4], MP_QSTR_offset) : 0;
    if (offset > INT64_MAX - (uint64_t)length - page) {
        mp_raise_ValueError(MP_ERROR_TEXT("offset is out of range"));
    }
    check_file(fd, offset + length);
    guard_sigbus();
    mapping_t *self = mp_obj_malloc_with_finaliser(mapping_t, type);
    self->pages = NULL;
    self->skip = offset % page;
    self->length = length;
    self->mapped = self->skip + length;
    self->protection = protection;
    void *pages = mmap(NULL, self->mapped, protection, flags, fd, offset - self->skip);
    if (pages == MAP_FAILED) {
        linux_failed();
    }
    self->pages = pages;
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t mapping_unary_op(mp_unary_op_t operation, mp_obj_t self) {
    if (operation == MP_UNARY_OP_LEN) {
        return mp_obj_new_int(open_mapping(self)->length);
    }
    return MP_OBJ_NULL;
}

static mp_obj_t mapping_exit(size_t count, const mp_obj_t *arguments) {
    (void)count;
    return mapping_close(arguments[0]);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mapping_exit_obj, 4, 4, mapping_exit);

static const mp_rom_map_elem_t mapping_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&mapping_load_obj) },
    { MP_ROM_QSTR(MP_QSTR_store), MP_ROM_PTR(&mapping_store_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&mapping_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mapping_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_flush), MP_ROM_PTR(&mapping_flush_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mapping_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&mapping_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mapping_exit_obj) },
};
static MP_DEFINE_CONST_DICT(mapping_locals, mapping_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(
    linux_mapping_type, MP_QSTR_mmap, MP_TYPE_FLAG_NONE,
    make_new, mapping_make_new, unary_op, mapping_unary_op, locals_dict, &mapping_locals);
