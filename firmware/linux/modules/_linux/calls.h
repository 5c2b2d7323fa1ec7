// What the files of `_linux` share. Each reads its arguments through these functions, which raise
// what Python would and never hand on a value that the kernel would read differently.
#ifndef LIMPET_LINUX_CALLS_H
#define LIMPET_LINUX_CALLS_H

#include <stdint.h>
#include "py/obj.h"

// A descriptor, of an int or of anything with one (file, socket). ValueError when negative,
// OSError(EBADF) when closed, TypeError when it has none.
int linux_descriptor(mp_obj_t object);

// An int within the bounds, both included. TypeError, or ValueError naming `what`.
mp_int_t linux_int(mp_obj_t object, mp_int_t least, mp_int_t most, qstr what);

// An int of 0 to 2**64 - 1. TypeError, or ValueError naming `what`.
uint64_t linux_unsigned(mp_obj_t object, qstr what);

// Text without a NUL in it. TypeError, or ValueError.
const char *linux_text(mp_obj_t object);

// Raises OSError with the errno of a call that returned -1.
MP_NORETURN void linux_failed(void);

// descriptors.c
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(linux_open_obj);
MP_DECLARE_CONST_FUN_OBJ_2(linux_read_obj);
MP_DECLARE_CONST_FUN_OBJ_2(linux_write_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_close_obj);
MP_DECLARE_CONST_FUN_OBJ_0(linux_pipe_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(linux_ioctl_obj);
MP_DECLARE_CONST_FUN_OBJ_2(linux_flock_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_fsync_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_statvfs_obj);
MP_DECLARE_CONST_FUN_OBJ_0(linux_sync_obj);

// mapping.c
extern const mp_obj_type_t linux_mapping_type;

// processes.c
MP_DECLARE_CONST_FUN_OBJ_0(linux_getpid_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_alarm_obj);
MP_DECLARE_CONST_FUN_OBJ_2(linux_chmod_obj);
MP_DECLARE_CONST_FUN_OBJ_2(linux_kill_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(linux_spawn_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(linux_wait_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_signalfd_obj);
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(linux_eventfd_obj);
MP_DECLARE_CONST_FUN_OBJ_1(linux_clock_gettime_obj);

#endif
