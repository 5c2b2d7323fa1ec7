# limpetd: MicroPython's unix port as one static file that holds the agent.
#
# What is left out here is left out of the link; mpconfigvariant.h says what is left out of the
# interpreter, and what each choice saves. Link-time optimisation is not used: it saves 0.6 KB of
# 358, because most of what is called is called through tables.

PROG = limpetd

# Threads that may share objects: the point of a build of our own.
MICROPY_PY_THREAD_GIL = 1

MICROPY_USE_READLINE = 0
MICROPY_PY_TERMIOS = 0 # `_linux.ioctl` does that for the serial lines: 900
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_JNI = 0
MICROPY_PY_BLUETOOTH = 0
MICROPY_VFS_FAT = 0
MICROPY_VFS_LFS1 = 0
MICROPY_VFS_LFS2 = 0

MBEDTLS_CONFIG_FILE = \"mbedtls_config_limpet.h\"

# MicroPython's own printf in place of the C library's, which brings 10 KB of its own along.
SHARED_SRC_C_EXTRA += libc/printf.c

# front.c is the program; the port's own main() becomes what it calls.
$(BUILD)/main.o: CFLAGS += -Dmain=interpreter_main -Wno-missing-prototypes

# packed.c has names used where they lie, as MicroPython does with a ROM file system; the file system
# itself stays out.
$(BUILD)/py/qstr.o: CFLAGS += -DLIMPET_IN_PLACE

# small.c has words for the errors that matter; the linker drops what nobody calls.
$(BUILD)/lib/mbedtls_errors/mp_mbedtls_errors.o: CFLAGS += -Dmbedtls_strerror=all_errors -Wno-missing-prototypes
