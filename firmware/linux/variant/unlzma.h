#ifndef LIMPET_UNLZMA_H
#define LIMPET_UNLZMA_H

#include <stddef.h>
#include <stdint.h>

struct unpacker;
extern const size_t unlzma_state_size;

// Unpack `size` bytes. `u` is memory of that size to work in; `bits`: how many of the byte before
// tell a literal's odds apart (lc).
void unlzma(struct unpacker *u, const uint8_t *in, uint8_t *out, size_t size, unsigned bits);

#endif
