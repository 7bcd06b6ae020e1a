/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"

#include "base/endian.h"

#define MIN_BUCKETS 8

void hash_table_init(struct hash_table *t)
{
    *t = (struct hash_table){ 0 };
}

void hash_table_fini(struct hash_table *t)
{
    free(t->buckets);
    *t = (struct hash_table){ 0 };
}

static struct hash_node **bucket_of(const struct hash_table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static void push(struct hash_table *t, struct hash_node *n)
{
    struct hash_node **bucket = bucket_of(t, n->hash);

    n->next = *bucket;
    *bucket = n;
}

static void grow(struct hash_table *t)
{
    struct hash_node **old = t->buckets;
    size_t n_old = t->n_buckets;

    t->n_buckets = n_old > 0 ? n_old * 2 : MIN_BUCKETS;
    t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
    for (size_t i = 0; i < n_old; i++) {
        for (struct hash_node *n = old[i], *next; n != NULL; n = next) {
            next = n->next;
            push(t, n);
        }
    }
    free(old);
}

void hash_insert(struct hash_table *t, struct hash_node *n, uint64_t hash)
{
    if (t->count >= t->n_buckets)
        grow(t);
    n->hash = hash;
    push(t, n);
    t->count++;
}

void hash_remove(struct hash_table *t, struct hash_node *n)
{
    struct hash_node **at;

    gq_assert(t->count > 0);
    at = bucket_of(t, n->hash);
    while (*at != n) {
        gq_assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = n->next;
    n->next = NULL;
    t->count--;
}

static struct hash_node *skip_to(struct hash_node *n, uint64_t hash)
{
    while (n != NULL && n->hash != hash)
        n = n->next;
    return n;
}

struct hash_node *hash_first(const struct hash_table *t, uint64_t hash)
{
    return t->count > 0 ? skip_to(*bucket_of(t, hash), hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *n)
{
    return skip_to(n->next, n->hash);
}

struct hash_node *hash_walk(const struct hash_table *t, const struct hash_node *n)
{
    size_t i = 0;

    if (n != NULL) {
        if (n->next != NULL)
            return n->next;
        i = (n->hash & (t->n_buckets - 1)) + 1;
    }
    for (; i < t->n_buckets; i++)
        if (t->buckets[i] != NULL)
            return t->buckets[i];
    return NULL;
}

/* SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), one round per word and three at the end. */
struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_init(struct sip *s, uint64_t k0, uint64_t k1)
{
    s->v0 = k0 ^ 0x736f6d6570736575;
    s->v1 = k1 ^ 0x646f72616e646f6d;
    s->v2 = k0 ^ 0x6c7967656e657261;
    s->v3 = k1 ^ 0x7465646279746573;
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_end(struct sip *s)
{
    s->v2 ^= 0xff;
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash_siphash13(const void *data, size_t size, uint64_t k0, uint64_t k1)
{
    const uint8_t *p = data;
    uint64_t last = (uint64_t)size << 56;
    struct sip s;

    sip_init(&s, k0, k1);
    for (size_t left = size / 8; left > 0; left--, p += 8)
        sip_word(&s, load_le64(p));
    for (size_t i = 0; i < size % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_word(&s, last);
    return sip_end(&s);
}

/* The second half of the key. The seed holds all the secret there is; this only keeps the halves apart. */
static inline uint64_t second_key(uint64_t seed)
{
    return rotl(seed, 32) ^ 0x9e3779b97f4a7c15;
}

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return hash_siphash13(data, size, seed, second_key(seed));
}

uint64_t hash_u64(uint64_t key, uint64_t seed)
{
    struct sip s;

    sip_init(&s, seed, second_key(seed));
    sip_word(&s, key);
    sip_word(&s, (uint64_t)sizeof(key) << 56);
    return sip_end(&s);
}
