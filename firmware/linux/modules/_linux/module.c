// The table of `_linux`: its functions, and the numbers that differ between machines.

#define _GNU_SOURCE // O_PATH
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#include "py/runtime.h"

#include "calls.h"

static const mp_rom_map_elem_t linux_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__linux) },
    { MP_ROM_QSTR(MP_QSTR_open), MP_ROM_PTR(&linux_open_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&linux_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&linux_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&linux_close_obj) },
    { MP_ROM_QSTR(MP_QSTR_pipe), MP_ROM_PTR(&linux_pipe_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&linux_ioctl_obj) },
    { MP_ROM_QSTR(MP_QSTR_flock), MP_ROM_PTR(&linux_flock_obj) },
    { MP_ROM_QSTR(MP_QSTR_fsync), MP_ROM_PTR(&linux_fsync_obj) },
    { MP_ROM_QSTR(MP_QSTR_statvfs), MP_ROM_PTR(&linux_statvfs_obj) },
    { MP_ROM_QSTR(MP_QSTR_sync), MP_ROM_PTR(&linux_sync_obj) },
    { MP_ROM_QSTR(MP_QSTR_mmap), MP_ROM_PTR(&linux_mapping_type) },
    { MP_ROM_QSTR(MP_QSTR_getpid), MP_ROM_PTR(&linux_getpid_obj) },
    { MP_ROM_QSTR(MP_QSTR_kill), MP_ROM_PTR(&linux_kill_obj) },
    { MP_ROM_QSTR(MP_QSTR_alarm), MP_ROM_PTR(&linux_alarm_obj) },
    { MP_ROM_QSTR(MP_QSTR_chmod), MP_ROM_PTR(&linux_chmod_obj) },
    { MP_ROM_QSTR(MP_QSTR_spawn), MP_ROM_PTR(&linux_spawn_obj) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&linux_wait_obj) },
    { MP_ROM_QSTR(MP_QSTR_signalfd), MP_ROM_PTR(&linux_signalfd_obj) },
    { MP_ROM_QSTR(MP_QSTR_eventfd), MP_ROM_PTR(&linux_eventfd_obj) },
    { MP_ROM_QSTR(MP_QSTR_clock_gettime), MP_ROM_PTR(&linux_clock_gettime_obj) },
    { MP_ROM_QSTR(MP_QSTR_O_RDONLY), MP_ROM_INT(O_RDONLY) },
    { MP_ROM_QSTR(MP_QSTR_O_WRONLY), MP_ROM_INT(O_WRONLY) },
    { MP_ROM_QSTR(MP_QSTR_O_RDWR), MP_ROM_INT(O_RDWR) },
    { MP_ROM_QSTR(MP_QSTR_O_CREAT), MP_ROM_INT(O_CREAT) },
    { MP_ROM_QSTR(MP_QSTR_O_EXCL), MP_ROM_INT(O_EXCL) },
    { MP_ROM_QSTR(MP_QSTR_O_NONBLOCK), MP_ROM_INT(O_NONBLOCK) },
    { MP_ROM_QSTR(MP_QSTR_O_SYNC), MP_ROM_INT(O_SYNC) },
    { MP_ROM_QSTR(MP_QSTR_O_PATH), MP_ROM_INT(O_PATH) },
    { MP_ROM_QSTR(MP_QSTR_O_DIRECTORY), MP_ROM_INT(O_DIRECTORY) },
    { MP_ROM_QSTR(MP_QSTR_O_NOFOLLOW), MP_ROM_INT(O_NOFOLLOW) },
    { MP_ROM_QSTR(MP_QSTR_LOCK_SH), MP_ROM_INT(LOCK_SH) },
    { MP_ROM_QSTR(MP_QSTR_LOCK_EX), MP_ROM_INT(LOCK_EX) },
    { MP_ROM_QSTR(MP_QSTR_LOCK_NB), MP_ROM_INT(LOCK_NB) },
    { MP_ROM_QSTR(MP_QSTR_LOCK_UN), MP_ROM_INT(LOCK_UN) },
    { MP_ROM_QSTR(MP_QSTR_PROT_READ), MP_ROM_INT(PROT_READ) },
    { MP_ROM_QSTR(MP_QSTR_PROT_WRITE), MP_ROM_INT(PROT_WRITE) },
    { MP_ROM_QSTR(MP_QSTR_MAP_SHARED), MP_ROM_INT(MAP_SHARED) },
    { MP_ROM_QSTR(MP_QSTR_MAP_PRIVATE), MP_ROM_INT(MAP_PRIVATE) },
    { MP_ROM_QSTR(MP_QSTR_CLOCK_REALTIME), MP_ROM_INT(CLOCK_REALTIME) },
    { MP_ROM_QSTR(MP_QSTR_CLOCK_MONOTONIC), MP_ROM_INT(CLOCK_MONOTONIC) },
    { MP_ROM_QSTR(MP_QSTR_CLOCK_BOOTTIME), MP_ROM_INT(CLOCK_BOOTTIME) },
};
static MP_DEFINE_CONST_DICT(linux_globals, linux_table);

const mp_obj_module_t limpet_linux_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&linux_globals,
};

MP_REGISTER_MODULE(MP_QSTR__linux, limpet_linux_module);
