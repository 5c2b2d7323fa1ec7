// Modules that are kept compressed in the file, in groups: a group is unpacked, whole, when the
// first of its modules is imported, and stays. Its bytecode is run where it was unpacked to, which
// is outside the heap: the collector neither moves nor reads it.
//
// packed_content.h is made by tools/firmwares/packing.py. A group is LZMA without a header (7-Zip's
// lzma-specification: lc = lp = pb = 0), a module in it an .mpy. The linker hands the interpreter's
// search for frozen modules to this file (--wrap), so that a packed module is found wherever a
// frozen one is.

#include <string.h>
#include <sys/mman.h>

#include "py/frozenmod.h"
#include "py/persistentcode.h"
#include "py/reader.h"
#include "py/runtime.h"

typedef struct {
    const uint8_t *packed;
    uint32_t size; // unpacked
} group_t;

typedef struct {
    uint32_t group : 4;
    uint32_t size : 28;
} entry_t; // of an .mpy; those of a group lie one after another

#include "packed_content.h"

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

// Probabilities: 11 bits each, all even at the start.
#define EVEN (1 << 10)
#define STATES 12
#define LENGTHS (2 + 8 + 8 + 256)

typedef uint16_t bit_t;

typedef struct {
    const uint8_t *in;
    uint32_t range, code;
    // All the following are bit_t.
    bit_t is_match[STATES], is_again[STATES], is_older[STATES], is_third[STATES], is_fourth[STATES];
    bit_t is_long[STATES], slot[4][64], far[128], align[16];
    bit_t match_length[LENGTHS], again_length[LENGTHS], literal[3][256];
} unpacker_t;

static unsigned take(unpacker_t *u, bit_t *odds) {
    uint32_t bound = (u->range >> 11) * *odds;
    unsigned bit = u->code >= bound;
    if (bit) {
        u->code -= bound;
        u->range -= bound;
        *odds -= *odds >> 5;
    } else {
        u->range = bound;
        *odds += (2048 - *odds) >> 5;
    }
    if (u->range < 1u << 24) {
        u->range <<= 8;
        u->code = u->code << 8 | *u->in++;
    }
    return bit;
}

// A number of `count` bits, the highest first; each prefix has odds of its own.
static unsigned take_tree(unpacker_t *u, bit_t *odds, unsigned count) {
    unsigned at = 1;
    for (unsigned i = 0; i < count; i++) {
        at = at << 1 | take(u, &odds[at]);
    }
    return at - (1u << count);
}

// The same, the lowest bit first.
static unsigned take_back(unpacker_t *u, bit_t *odds, unsigned count) {
    unsigned at = 1, number = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned bit = take(u, &odds[at]);
        at = at << 1 | bit;
        number |= bit << i;
    }
    return number;
}

static unsigned take_length(unpacker_t *u, bit_t *odds) {
    if (!take(u, &odds[0])) {
        return 2 + take_tree(u, odds + 2, 3);
    }
    if (!take(u, &odds[1])) {
        return 10 + take_tree(u, odds + 10, 3);
    }
    return 18 + take_tree(u, odds + 18, 8);
}

static unsigned take_distance(unpacker_t *u, unsigned length) {
    unsigned slot = take_tree(u, u->slot[MIN(length - 2, 3)], 6);
    if (slot < 4) {
        return slot;
    }
    unsigned count = (slot >> 1) - 1;
    uint32_t distance = (2 | (slot & 1)) << count;
    if (slot < 14) {
        return distance + take_back(u, u->far + distance - slot, count);
    }
    for (count -= 4; count != 0; count--) { // bits that are as often 0 as 1
        u->range >>= 1;
        unsigned bit = u->code >= u->range;
        u->code -= bit ? u->range : 0;
        if (u->range < 1u << 24) {
            u->range <<= 8;
            u->code = u->code << 8 | *u->in++;
        }
        distance += bit << (count + 3);
    }
    return distance + take_back(u, u->align, 4);
}

static unsigned take_literal(unpacker_t *u, unsigned state, unsigned match) {
    unsigned at = 1;
    if (state >= 7) { // the byte that a match would have given is certainly not it
        unsigned same = 1;
        while (at < 256 && same) {
            unsigned expected = (match >> 7) & 1;
            match <<= 1;
            unsigned bit = take(u, &u->literal[1 + expected][at]);
            at = at << 1 | bit;
            same = bit == expected;
        }
    }
    while (at < 256) {
        at = at << 1 | take(u, &u->literal[0][at]);
    }
    return at;
}

static void unpack(const uint8_t *in, uint8_t *out, size_t size) {
    unpacker_t u;
    for (bit_t *odds = u.is_match; odds < (bit_t *)(&u + 1); odds++) {
        *odds = EVEN;
    }
    u.range = 0xffffffff;
    u.code = (uint32_t)in[1] << 24 | in[2] << 16 | in[3] << 8 | in[4];
    u.in = in + 5;
    unsigned state = 0;
    uint32_t back[4] = {0, 0, 0, 0}; // the distances used last, each less 1
    size_t at = 0;
    while (at < size) {
        if (!take(&u, &u.is_match[state])) {
            out[at] = take_literal(&u, state, state >= 7 ? out[at - back[0] - 1] : 0);
            at++;
            state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
            continue;
        }
        unsigned length;
        if (!take(&u, &u.is_again[state])) {
            length = take_length(&u, u.match_length);
            memmove(back + 1, back, 3 * sizeof(back[0]));
            back[0] = take_distance(&u, length);
            state = state < 7 ? 7 : 10;
        } else {
            unsigned which = 0;
            if (take(&u, &u.is_older[state])) {
                which = take(&u, &u.is_third[state]) ? 2 + take(&u, &u.is_fourth[state]) : 1;
            } else if (!take(&u, &u.is_long[state])) {
                out[at] = out[at - back[0] - 1];
                at++;
                state = state < 7 ? 9 : 11;
                continue;
            }
            uint32_t distance = back[which];
            memmove(back + 1, back, which * sizeof(back[0]));
            back[0] = distance;
            length = take_length(&u, u.again_length);
            state = state < 7 ? 8 : 11;
        }
        for (; length != 0 && at < size; length--, at++) {
            out[at] = out[at - back[0] - 1];
        }
    }
}

static const uint8_t *unpacked(unsigned index) {
    static const uint8_t *done[GROUPS];
    if (done[index] == NULL) {
        size_t size = groups[index].size;
        uint8_t *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (out == MAP_FAILED) {
            m_malloc_fail(size);
        }
        unpack(groups[index].packed, out, size);
        done[index] = out;
    }
    return done[index];
}

static mp_frozen_module_t *load(unsigned index) {
    unsigned group = entries[index].group;
    size_t offset = 0;
    for (unsigned i = index; i-- > 0 && entries[i].group == group;) {
        offset += entries[i].size;
    }
    mp_reader_t reader;
    const uint8_t *start = unpacked(group) + offset;
    mp_reader_new_mem(&reader, start, entries[index].size, MP_READER_IS_ROM);
    // The caller has the module's own context, and takes the constants over into it.
    mp_compiled_module_t module;
    module.context = m_new_obj(mp_module_context_t);
    mp_raw_code_load(&reader, &module);
    mp_frozen_module_t frozen = {module.context->constants, module.rc};
    return memcpy(m_new_obj(mp_frozen_module_t), &frozen, sizeof(frozen));
}

mp_import_stat_t __real_mp_find_frozen_module(const char *path, int *type, void **data);
mp_import_stat_t __wrap_mp_find_frozen_module(const char *path, int *type, void **data);

mp_import_stat_t __wrap_mp_find_frozen_module(const char *path, int *type, void **data) {
    size_t length = strlen(path);
    const char *name = names;
    for (unsigned i = 0; *name != 0; i++, name += strlen(name) + 1) {
        if (strncmp(name, path, length) != 0 || (name[length] != 0 && name[length] != '/')) {
            continue;
        }
        if (name[length] == '/') {
            return MP_IMPORT_STAT_DIR;
        }
        if (type != NULL) {
            *type = MP_FROZEN_MPY;
            *data = load(i);
        }
        return MP_IMPORT_STAT_FILE;
    }
    return __real_mp_find_frozen_module(path, type, data);
}
