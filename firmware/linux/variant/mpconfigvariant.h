// limpetd's interpreter: what of MicroPython is in the single file, and what each choice saves.
//
// The language is whole: what runs on the usual unix build runs here. Left out are modules that
// an agent under Linux has no use for, and what serves a person at a prompt. The figures are bytes
// of the armhf file.

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#include "ports/unix/variants/mpconfigvariant_common.h"

// Nothing but what is in the file is imported, unless the command line says otherwise.
#define MICROPY_PY_SYS_PATH_DEFAULT ".frozen"

// Emitters of machine code: frozen code is bytecode, and so is what comes over the air.
#define MICROPY_EMIT_THUMB (0)
#define MICROPY_EMIT_INLINE_THUMB (0)
#define MICROPY_EMIT_ARM (0)
#define MICROPY_EMIT_X64 (0)

// The machine module of the unix port reaches memory alone, with no lock and a leak for each page;
// `_linux.mmap` does that with exact widths.
#undef MICROPY_PY_MACHINE
#undef MICROPY_PY_MACHINE_PULSE
#undef MICROPY_PY_MACHINE_PIN_BASE

#undef MICROPY_PY_WEBSOCKET
#define MICROPY_VFS_ROM_IOCTL (0)
#ifndef LIMPET_IN_PLACE        // mpconfigvariant.mk
#undef MICROPY_VFS_ROM
#endif
#undef MICROPY_PY_CRYPTOLIB    // AES; seals are HMAC-SHA256
#undef MICROPY_PY_HASHLIB_MD5
#undef MICROPY_PY_HASHLIB_SHA1
#undef MICROPY_PY_OS_SYSTEM    // `_linux.spawn` needs no shell
#define MICROPY_PY_FRAMEBUF (0)
#define MICROPY_PY_DEFLATE_COMPRESS (0)  // what is sent is small
#define MICROPY_PY_CMATH (0)
#define MICROPY_PY_BUILTINS_COMPLEX (0)  // 1,235
#define MICROPY_PY_MATH_SPECIAL_FUNCTIONS (0) // erf, gamma: 5,000 of tables
#define MICROPY_PY_ASYNCIO (0)           // 1,020, and 8 KB of Python that would be frozen
#define MICROPY_PY_MICROPYTHON_RINGIO (0) // 589

// The hash kept with each name hurries interning along; two bytes are 4 KB in all, and worth it
// where all names are found by it (patches/interned-index.patch).
#ifdef __LP64__
#define MICROPY_QSTR_BYTES_IN_HASH (2)
#else
#define MICROPY_QSTR_BYTES_IN_HASH (1)
#endif

// For a person at a prompt, or one who debugs the interpreter.
#undef MICROPY_DEBUG_PRINTERS
#define MICROPY_DEBUG_PRINTERS (0)
#undef MICROPY_MALLOC_USES_ALLOCATED_SIZE
#undef MICROPY_MEM_STATS
#define MICROPY_PY_BUILTINS_HELP (0)
#define MICROPY_PY_MICROPYTHON_MEM_INFO (0)
#define MICROPY_PY_SYS_PS1_PS2 (0)
