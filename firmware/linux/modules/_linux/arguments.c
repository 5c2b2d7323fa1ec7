// Reading of arguments: wrong types and values end here, as exceptions.

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "py/objint.h"
#include "py/runtime.h"
#include "py/stream.h"

#include "calls.h"

#if !MICROPY_PY_THREAD_GIL
#error "_linux relies on the global lock: build with MICROPY_PY_THREAD_GIL=1"
#endif

void linux_failed(void) {
    mp_raise_OSError(errno);
}

int linux_descriptor(mp_obj_t object) {
    if (mp_obj_is_int(object)) {
        return linux_int(object, 0, INT_MAX, MP_QSTR_fd);
    }
    const mp_obj_type_t *type = mp_obj_get_type(object);
    if (!MP_OBJ_TYPE_HAS_SLOT(type, protocol)) {
        mp_raise_TypeError(MP_ERROR_TEXT("expected a descriptor or an object that has one"));
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(object, MP_STREAM_OP_IOCTL);
    int error = EBADF;
    mp_uint_t found = stream->ioctl(object, MP_STREAM_GET_FILENO, 0, &error);
    if (found == MP_STREAM_ERROR) {
        mp_raise_OSError(error);
    }
    if (found > INT_MAX) { // a closed file answers -1
        mp_raise_OSError(EBADF);
    }
    return found;
}

static MP_NORETURN void out_of_range(qstr what) {
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%q is out of range"), what);
}

mp_int_t linux_int(mp_obj_t object, mp_int_t least, mp_int_t most, qstr what) {
    if (mp_obj_is_int(object) && !mp_obj_is_small_int(object)) {
        // Beyond a small int; on 32 bits that leaves values that still fit.
        int sign = mp_obj_int_sign(object);
        byte bytes[sizeof(long long)];
        if (!mp_obj_int_to_bytes_impl(object, false, sizeof(bytes), bytes)) {
            out_of_range(what);
        }
        long long value;
        memcpy(&value, bytes, sizeof(value));
        if ((sign < 0) != (value < 0) || value < least || value > most) {
            out_of_range(what);
        }
        return value;
    }
    mp_int_t value = mp_obj_get_int(object);
    if (value < least || value > most) {
        out_of_range(what);
    }
    return value;
}

uint64_t linux_unsigned(mp_obj_t object, qstr what) {
    if (mp_obj_is_int(object) && !mp_obj_is_small_int(object)) {
        uint64_t value = 0;
        byte bytes[sizeof(value)];
        if (mp_obj_int_sign(object) < 0
            || !mp_obj_int_to_bytes_impl(object, false, sizeof(bytes), bytes)) {
            out_of_range(what);
        }
        for (size_t at = sizeof(bytes); at > 0; at--) {
            value = value << 8 | bytes[at - 1];
        }
        return value;
    }
    mp_int_t value = mp_obj_get_int(object);
    if (value < 0) {
        out_of_range(what);
    }
    return value;
}

const char *linux_text(mp_obj_t object) {
    size_t length;
    const char *text = mp_obj_str_get_data(object, &length);
    if (strlen(text) != length) {
        mp_raise_ValueError(MP_ERROR_TEXT("a NUL inside text"));
    }
    return text;
}
