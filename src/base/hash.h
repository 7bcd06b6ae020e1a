/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Intrusive chained hash table that grows by doubling, and keyed hashing.
 *
 * A client chooses topic names and producer ids, so tables over such keys hash with hash_bytes()/hash_u64() under
 * a seed drawn at start. Nodes are embedded in the caller's structs; the table owns only its bucket array.
 * Iteration order is the insertion history's, equal for equal histories and seeds. */

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **buckets; /* NULL while the table is empty */
    size_t n_buckets;           /* a power of two, or 0 */
    size_t count;
};

void hash_table_init(struct hash_table *t);
/* Frees the buckets; the nodes stay the caller's. */
void hash_table_fini(struct hash_table *t);

/* Equal keys may be inserted twice; the caller looks first. */
void hash_insert(struct hash_table *t, struct hash_node *n, uint64_t hash);
/* n must be in the table. */
void hash_remove(struct hash_table *t, struct hash_node *n);

/* First and next node with this hash, or NULL; the caller compares keys. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *n);

/* Walks all nodes: start with NULL; ends with NULL. The table must not change meanwhile. */
struct hash_node *hash_walk(const struct hash_table *t, const struct hash_node *n);

/* SipHash-1-3 of the bytes under the seed. hash_u64() is that of the key's eight bytes in little-endian order. */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);
uint64_t hash_u64(uint64_t key, uint64_t seed);

/* The bare function with its 128-bit key, as the published test vectors have it. */
uint64_t hash_siphash13(const void *data, size_t size, uint64_t k0, uint64_t k1);
