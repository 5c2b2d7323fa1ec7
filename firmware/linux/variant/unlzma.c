// LZMA without a header (7-Zip's lzma-specification: lp = pb = 0, lc up to 3), of a known size.

#include <string.h>

// The start waits for it: a third less of its instructions, for 1,500 bytes.
#pragma GCC optimize("O2")

#include "py/mpconfig.h"
#include "py/misc.h"
#include "unlzma.h"

#define MOST_CONTEXT_BITS (3)

// Probabilities: 11 bits each, all even at the start.
#define EVEN (1 << 10)
#define STATES 12
#define LENGTHS (2 + 8 + 8 + 256)

typedef uint16_t bit_t;

// What is read: kept in registers, which is why all that take it are inlined.
typedef struct {
    const uint8_t *in;
    uint32_t range, code;
} coder_t;

typedef struct unpacker {
    bit_t is_match[STATES], is_again[STATES], is_older[STATES], is_third[STATES], is_fourth[STATES];
    bit_t is_long[STATES], slot[4][64], far[128], align[16];
    bit_t match_length[LENGTHS], again_length[LENGTHS], literal[1 << MOST_CONTEXT_BITS][3][256];
} unpacker_t;

const size_t unlzma_state_size = sizeof(unpacker_t);

#define INLINED static inline __attribute__((always_inline)) unsigned

INLINED take(coder_t *c, bit_t *odds) {
    uint32_t bound = (c->range >> 11) * *odds;
    unsigned bit = c->code >= bound;
    if (bit) {
        c->code -= bound;
        c->range -= bound;
        *odds -= *odds >> 5;
    } else {
        c->range = bound;
        *odds += (2048 - *odds) >> 5;
    }
    if (c->range < 1u << 24) {
        c->range <<= 8;
        c->code = c->code << 8 | *c->in++;
    }
    return bit;
}

// A number of `count` bits, the highest first; each prefix has odds of its own.
INLINED take_tree(coder_t *c, bit_t *odds, unsigned count) {
    unsigned at = 1;
    for (unsigned i = 0; i < count; i++) {
        at = at << 1 | take(c, &odds[at]);
    }
    return at - (1u << count);
}

// The same, the lowest bit first.
INLINED take_back(coder_t *c, bit_t *odds, unsigned count) {
    unsigned at = 1, number = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned bit = take(c, &odds[at]);
        at = at << 1 | bit;
        number |= bit << i;
    }
    return number;
}

INLINED take_length(coder_t *c, bit_t *odds) {
    if (!take(c, &odds[0])) {
        return 2 + take_tree(c, odds + 2, 3);
    }
    if (!take(c, &odds[1])) {
        return 10 + take_tree(c, odds + 10, 3);
    }
    return 18 + take_tree(c, odds + 18, 8);
}

INLINED take_distance(coder_t *c, unpacker_t *u, unsigned length) {
    unsigned slot = take_tree(c, u->slot[MIN(length - 2, 3)], 6);
    if (slot < 4) {
        return slot;
    }
    unsigned count = (slot >> 1) - 1;
    uint32_t distance = (2 | (slot & 1)) << count;
    if (slot < 14) {
        return distance + take_back(c, u->far + distance - slot, count);
    }
    for (count -= 4; count != 0; count--) { // bits that are as often 0 as 1
        c->range >>= 1;
        unsigned bit = c->code >= c->range;
        c->code -= bit ? c->range : 0;
        if (c->range < 1u << 24) {
            c->range <<= 8;
            c->code = c->code << 8 | *c->in++;
        }
        distance += bit << (count + 3);
    }
    return distance + take_back(c, u->align, 4);
}

INLINED take_literal(coder_t *c, bit_t odds[3][256], unsigned state, unsigned match) {
    unsigned at = 1;
    if (state >= 7) { // the byte that a match would have given is certainly not it
        unsigned same = 1;
        while (at < 256 && same) {
            unsigned expected = (match >> 7) & 1;
            match <<= 1;
            unsigned bit = take(c, &odds[1 + expected][at]);
            at = at << 1 | bit;
            same = bit == expected;
        }
    }
    while (at < 256) {
        at = at << 1 | take(c, &odds[0][at]);
    }
    return at;
}

void unlzma(struct unpacker *u, const uint8_t *in, uint8_t *out, size_t size, unsigned bits) {
    for (bit_t *odds = u->is_match; odds < (bit_t *)(u + 1); odds++) {
        *odds = EVEN;
    }
    coder_t c;
    c.range = 0xffffffff;
    c.code = (uint32_t)in[1] << 24 | in[2] << 16 | in[3] << 8 | in[4];
    c.in = in + 5;
    unsigned state = 0;
    uint32_t back[4] = {0, 0, 0, 0}; // the distances used last, each less 1
    size_t at = 0;
    while (at < size) {
        if (!take(&c, &u->is_match[state])) {
            unsigned context = at != 0 ? out[at - 1] >> (8 - bits) : 0;
            unsigned match = state >= 7 ? out[at - back[0] - 1] : 0;
            out[at] = take_literal(&c, u->literal[context], state, match);
            at++;
            state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
            continue;
        }
        unsigned length;
        if (!take(&c, &u->is_again[state])) {
            length = take_length(&c, u->match_length);
            memmove(back + 1, back, 3 * sizeof(back[0]));
            back[0] = take_distance(&c, u, length);
            state = state < 7 ? 7 : 10;
        } else {
            unsigned which = 0;
            if (take(&c, &u->is_older[state])) {
                which = take(&c, &u->is_third[state]) ? 2 + take(&c, &u->is_fourth[state]) : 1;
            } else if (!take(&c, &u->is_long[state])) {
                out[at] = out[at - back[0] - 1];
                at++;
                state = state < 7 ? 9 : 11;
                continue;
            }
            uint32_t distance = back[which];
            memmove(back + 1, back, which * sizeof(back[0]));
            back[0] = distance;
            length = take_length(&c, u->again_length);
            state = state < 7 ? 8 : 11;
        }
        for (; length != 0 && at < size; length--, at++) {
            out[at] = out[at - back[0] - 1];
        }
    }
}
