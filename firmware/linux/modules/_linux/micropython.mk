# The module `_linux`; built into our Linux interpreters through USER_C_MODULES.
LIMPET_LINUX_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $(addprefix $(LIMPET_LINUX_DIR)/, \
	arguments.c descriptors.c mapping.c processes.c module.c)
CFLAGS_USERMOD += -I$(LIMPET_LINUX_DIR)
