// Modules that are kept packed in the file, in groups: a group is unpacked, whole, when the first of
// its modules is imported, and stays. Its bytecode runs where it was unpacked to, which is outside
// the heap, as are its names and constants: the collector neither moves nor reads them.
//
// packed_content.h is made by tools/firmwares/packing.py, which packs streams of like bytes by
// themselves; what is in each is told in splitting.py there. The linker hands the interpreter's
// search for frozen modules to this file (--wrap), so that a packed module is found wherever a
// frozen one is.

#include <string.h>
#include <sys/mman.h>

#include "py/bc.h"
#include "py/bc0.h"
#include "py/emitglue.h"
#include "py/frozenmod.h"
#include "py/objlist.h"
#include "py/objstr.h"
#include "py/objtuple.h"
#include "py/parsenum.h"
#include "py/persistentcode.h"
#include "py/runtime.h"
#include "unlzma.h"

enum { TEXT, CODES, NAMES, VALUES, JUMPS, HEADS, LINKS, STREAMS };

static const uint8_t context_bits[STREAMS] = {[TEXT] = 3, [NAMES] = 1, 1, 1, 1, 1};

typedef struct {
    const uint8_t *packed;
    struct {
        uint32_t packed, whole; // bytes
    } sizes[STREAMS];
    uint16_t first, count;      // of its modules
    uint16_t lent, own;         // names that its modules share: the core's, and the group's
    uint32_t code;              // bytes of its functions
    uint16_t refs, slots, objects; // names, constants, those of them that are objects
} group_t;

#include "packed_content.h"

#define GROUPS (sizeof(groups) / sizeof(groups[0]))
#define HEAD (3)             // before each function: its size (2 bytes), how many are inside it
#define INTERNED (1u << 31)  // of a shared name: what it is interned as, no more where it is

typedef struct {
    uint16_t *refs;          // names: links at first, what they are interned as once it was loaded
    uint16_t count;          // of refs that are links yet
    const char *text;        // of its names that no other module has
    mp_obj_t *constants;
    const uint8_t *functions;
} module_t;

typedef struct {
    const char *text;
    uint32_t *shared;        // where in the text each shared name is
    module_t *modules;
} unpacked_t;

// Numbers, and whatever else of the constants is an object of the heap.
MP_REGISTER_ROOT_POINTER(mp_obj_t packed_constants);

static uint8_t *map(size_t size) {
    uint8_t *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (out == MAP_FAILED) {
        m_malloc_fail(size);
    }
    return out;
}

// What is being put together: where each stream is read, and where there is room for what.
typedef struct {
    const uint8_t *at[STREAMS];
    uint8_t *out;            // code
    uint16_t *refs;
    unsigned count;          // refs of this module
    uint8_t *objects;        // constants, and tables of them
} joint_t;

static void put(joint_t *j, uint8_t byte) {
    *j->out++ = byte;
}

static void copy(joint_t *j, unsigned stream, size_t size) {
    memcpy(j->out, j->at[stream], size);
    j->at[stream] += size;
    j->out += size;
}

static void skip_text(joint_t *j) {
    j->at[TEXT] += strlen((const char *)j->at[TEXT]) + 1;
}

static void join_name(joint_t *j) {
    unsigned place = mp_decode_uint(&j->at[NAMES]);
    if (place-- == 0) {
        place = j->count++;
        unsigned link = mp_decode_uint(&j->at[LINKS]);
        j->refs[place] = link;
        if (link == 0) {
            skip_text(j);
        }
    }
    if (place >= 1 << 7) {
        put(j, 1 << 7 | place >> 7);
    }
    put(j, place & 127);
}

static void copy_number(joint_t *j) {
    do {
        copy(j, VALUES, 1);
    } while (j->out[-1] & 128);
}

static void join_operations(joint_t *j) {
    for (unsigned code; (code = *j->at[CODES]++) != 0;) {
        put(j, code);
        unsigned form = MP_BC_FORMAT(code);
        if (form == MP_BC_FORMAT_QSTR) {
            join_name(j);
        } else if (form == MP_BC_FORMAT_VAR_UINT) {
            copy_number(j);
        } else if (form == MP_BC_FORMAT_OFFSET) {
            copy(j, JUMPS, *j->at[JUMPS] & 128 ? 2 : 1);
        }
        if ((code & MP_BC_MASK_EXTRA_BYTE) == 0) {
            copy(j, VALUES, 1);
        }
    }
}

static void join_function(joint_t *j) {
    uint8_t *head = j->out;
    j->out += HEAD;
    const uint8_t *after = j->at[HEADS];
    MP_BC_PRELUDE_SIG_DECODE(after);
    copy(j, HEADS, after - j->at[HEADS]);
    unsigned cells = mp_decode_uint(&j->at[HEADS]), inside = mp_decode_uint(&j->at[HEADS]);
    uint8_t *names = j->out;
    for (unsigned i = 0; i < 1 + n_pos_args + n_kwonly_args; i++) {
        join_name(j);
    }
    // Their size is written before them, in a byte or two.
    size_t size = j->out - names;
    uint8_t sizes[4];
    unsigned count = 0;
    size_t size_left = size, cells_left = cells;
    #define PUT_SIZE(_, byte) sizes[count++] = (byte)
    MP_BC_PRELUDE_SIZE_ENCODE(size_left, cells_left, PUT_SIZE, 0);
    memmove(names + count, names, size);
    memcpy(names, sizes, count);
    j->out += count;
    copy(j, HEADS, cells);
    join_operations(j);
    size = j->out - head - HEAD;
    head[0] = size;
    head[1] = size >> 8;
    head[2] = inside;
    for (; inside != 0; inside--) {
        join_function(j);
    }
}

static void *take_room(joint_t *j, size_t size) {
    j->objects += size;
    return j->objects - size;
}

static mp_obj_t join_text(joint_t *j, unsigned kind, const uint8_t *text, size_t size) {
    qstr known = kind == MP_PERSISTENT_OBJ_STR ? qstr_find_strn((const char *)text, size) : 0;
    if (known != MP_QSTRnull) {
        return MP_OBJ_NEW_QSTR(known);
    }
    mp_obj_str_t *made = take_room(j, sizeof(*made));
    made->base.type = kind == MP_PERSISTENT_OBJ_STR ? &mp_type_str : &mp_type_bytes;
    made->hash = qstr_compute_hash(text, size);
    made->len = size;
    made->data = text;
    return MP_OBJ_FROM_PTR(made);
}

static mp_obj_t join_constant(joint_t *j) {
    static const mp_rom_obj_t plain[] = {
        [MP_PERSISTENT_OBJ_NONE] = mp_const_none,
        [MP_PERSISTENT_OBJ_FALSE] = mp_const_false,
        [MP_PERSISTENT_OBJ_TRUE] = mp_const_true,
        [MP_PERSISTENT_OBJ_ELLIPSIS] = MP_ROM_PTR(&mp_const_ellipsis_obj),
    };
    unsigned kind = *j->at[LINKS]++;
    if (kind < MP_ARRAY_SIZE(plain)) {
        return (mp_obj_t)plain[kind];
    }
    size_t size = mp_decode_uint(&j->at[LINKS]);
    if (kind == MP_PERSISTENT_OBJ_TUPLE) {
        mp_obj_tuple_t *made = take_room(j, sizeof(*made) + size * sizeof(mp_obj_t));
        made->base.type = &mp_type_tuple;
        made->len = size;
        for (size_t i = 0; i < size; i++) {
            made->items[i] = join_constant(j);
        }
        return MP_OBJ_FROM_PTR(made);
    }
    const uint8_t *text = j->at[TEXT];
    j->at[TEXT] += size + 1;
    if (kind == MP_PERSISTENT_OBJ_STR || kind == MP_PERSISTENT_OBJ_BYTES) {
        return join_text(j, kind, text, size);
    }
    mp_obj_t made = kind == MP_PERSISTENT_OBJ_INT
        ? mp_parse_num_integer((const char *)text, size, 10, NULL)
        : mp_parse_num_float((const char *)text, size, false, NULL);
    if (mp_obj_is_obj(made)) {
        if (MP_STATE_VM(packed_constants) == MP_OBJ_NULL) {
            MP_STATE_VM(packed_constants) = mp_obj_new_list(0, NULL);
        }
        mp_obj_list_append(MP_STATE_VM(packed_constants), made);
    }
    return made;
}

static void join_module(joint_t *j, module_t *module) {
    unsigned count = mp_decode_uint(&j->at[LINKS]);
    module->constants = take_room(j, count * sizeof(mp_obj_t));
    for (unsigned i = 0; i < count; i++) {
        module->constants[i] = join_constant(j);
    }
    module->text = (const char *)j->at[TEXT];
    module->refs = j->refs;
    module->functions = j->out;
    j->count = 1; // the name of its file
    join_function(j);
    module->count = j->count;
    j->refs += j->count;
}

// All of a group's streams: the text to `text`, where it stays, the others to `rest`.
static void unpack(const group_t *group, joint_t *j, uint8_t *text, uint8_t *rest) {
    struct unpacker *work = (struct unpacker *)rest;
    rest += unlzma_state_size;
    const uint8_t *packed = group->packed;
    for (unsigned i = 0; i < STREAMS; i++) {
        uint8_t *out = i == TEXT ? text : rest;
        size_t size = group->sizes[i].whole;
        unlzma(work, packed, out, size, context_bits[i]);
        packed += group->sizes[i].packed;
        rest += i == TEXT ? 0 : size;
        j->at[i] = out;
    }
}

static void join(const group_t *group, unpacked_t *all) {
    // What is aligned most comes first.
    size_t modules = group->count * sizeof(module_t);
    size_t objects = group->slots * sizeof(mp_obj_t) + group->objects * sizeof(mp_obj_str_t);
    size_t shared = group->own * sizeof(uint32_t), refs = group->refs * sizeof(uint16_t);
    size_t stays = modules + objects + shared + refs + group->code + group->sizes[TEXT].whole;
    size_t passes = unlzma_state_size;
    for (unsigned i = TEXT + 1; i < STREAMS; i++) {
        passes += group->sizes[i].whole;
    }
    uint8_t *rest = map(passes), *place = map(stays);
    joint_t j;
    all->modules = (module_t *)place;
    j.objects = place + modules;
    all->shared = (uint32_t *)(j.objects + objects);
    j.refs = (uint16_t *)(all->shared + group->own);
    j.out = (uint8_t *)(j.refs + group->refs);
    all->text = (const char *)j.out + group->code;
    unpack(group, &j, (uint8_t *)all->text, rest);
    for (unsigned i = 0; i < group->own; i++) {
        all->shared[i] = (const char *)j.at[TEXT] - all->text;
        skip_text(&j);
    }
    for (unsigned i = 0; i < group->count; i++) {
        join_module(&j, &all->modules[i]);
    }
    munmap(rest, passes);
}

static unpacked_t *unpacked(unsigned index) {
    static unpacked_t done[GROUPS];
    if (done[index].text == NULL) {
        unpacked_t all;
        join(&groups[index], &all);
        done[index] = all;
    }
    return &done[index];
}

qstr qstr_from_strn_static(const char *text, size_t size); // mpconfigvariant.mk has it there

static qstr intern(const char *text) {
    return qstr_from_strn_static(text, strlen(text));
}

static qstr intern_shared(unsigned index, unsigned number) {
    unpacked_t *all = unpacked(index);
    uint32_t *name = &all->shared[number];
    if (!(*name & INTERNED)) {
        *name = INTERNED | intern(all->text + *name);
    }
    return *name & ~INTERNED;
}

static void intern_names(unsigned index, module_t *module, const char *path) {
    const char *text = module->text;
    unsigned lent = groups[index].lent;
    for (unsigned i = 0; i < module->count; i++) {
        unsigned link = module->refs[i];
        if (i == 0) {
            module->refs[i] = intern(path);
        } else if (link == 0) {
            module->refs[i] = intern(text);
            text += strlen(text) + 1;
        } else if (link <= lent) {
            module->refs[i] = intern_shared(CORE, link - 1);
        } else {
            module->refs[i] = intern_shared(index, link - 1 - lent);
        }
    }
    module->count = 0;
}

// The function at `*at`, and all inside it; one with none inside is its bytecode, and no more.
static const void *make_function(const uint8_t **at) {
    const uint8_t *head = *at, *code = head + HEAD;
    unsigned inside = head[2];
    *at = code + (head[0] | head[1] << 8);
    if (inside == 0) {
        return code;
    }
    mp_raw_code_t **children = m_new(mp_raw_code_t *, inside);
    for (unsigned i = 0; i < inside; i++) {
        children[i] = (mp_raw_code_t *)make_function(at);
    }
    mp_raw_code_t *made = mp_emit_glue_new_raw_code();
    const uint8_t *after = code;
    MP_BC_PRELUDE_SIG_DECODE(after);
    mp_emit_glue_assign_bytecode(made, code, children, scope_flags);
    return made;
}

static mp_frozen_module_t *load(unsigned number, const char *path) {
    unsigned index = 0;
    while (number >= groups[index].first + groups[index].count) {
        index++;
    }
    module_t *module = &unpacked(index)->modules[number - groups[index].first];
    intern_names(index, module, path);
    const uint8_t *at = module->functions;
    mp_frozen_module_t frozen = {{module->refs, module->constants}, make_function(&at)};
    return memcpy(m_new_obj(mp_frozen_module_t), &frozen, sizeof(frozen));
}

// Of all modules: the length of each, itself, and a 0.
static const char *paths(void) {
    static uint8_t *unpacked_paths;
    if (unpacked_paths == NULL) {
        uint8_t *work = map(unlzma_state_size), *out = map(PATHS_SIZE);
        unlzma((struct unpacker *)work, paths_packed, out, PATHS_SIZE, context_bits[TEXT]);
        munmap(work, unlzma_state_size);
        unpacked_paths = out;
    }
    return (const char *)unpacked_paths;
}

mp_import_stat_t __real_mp_find_frozen_module(const char *path, int *type, void **data);
mp_import_stat_t __wrap_mp_find_frozen_module(const char *path, int *type, void **data);

mp_import_stat_t __wrap_mp_find_frozen_module(const char *path, int *type, void **data) {
    size_t length = strlen(path);
    const char *name = paths() + 1;
    for (unsigned i = 0; i < MODULES; i++, name += (uint8_t)name[-1] + 2) {
        // What is quick to see first: the agent's imports ask 350 times.
        size_t whole = (uint8_t)name[-1];
        if (whole < length || (name[length] != 0 && name[length] != '/')
            || memcmp(name, path, length) != 0) {
            continue;
        }
        if (whole > length) {
            return MP_IMPORT_STAT_DIR;
        }
        if (type != NULL) {
            *type = MP_FROZEN_MPY;
            *data = load(i, name);
        }
        return MP_IMPORT_STAT_FILE;
    }
    return __real_mp_find_frozen_module(path, type, data);
}
