/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state/rig.h"

#include <errno.h>

#include "base/crc32c.h"
#include "support/suite.h"

#define N_KEYS 24
#define MAX_CHANGES 8
#define MAX_VALUE 9000 /* more than two pages */

struct rig rig;

void rig_init(uint64_t seed)
{
    rig = (struct rig){ 0 };
    sim_prng_init(&rig.prng, seed);
    rig.disk = sim_disk_new(NULL);
    rig.env = sim_disk_env(rig.disk);
    ck_assert_int_eq(disk_mkdir(rig.env, "state"), 0);
    ck_assert_int_eq(disk_sync_dir(rig.env, "."), 0);
}

void rig_fini(void)
{
    rig_close();
    sim_disk_free(rig.disk);
}

int rig_open(void)
{
    struct error_text err = { "" };
    int rc;

    ck_assert_ptr_null(rig.db);
    rc = state_open(rig.env, &rig.prng.env, RIG_PATH, &rig.db, &err);
    ck_assert_msg(rc == 0 || err.text[0] != '\0', "no word about %d", rc);
    return rc;
}

void rig_close(void)
{
    state_close(rig.db);
    rig.db = NULL;
}

/* --- the history --- */

static uint64_t draw(uint64_t a, uint64_t b)
{
    uint64_t seed[2] = { a, b };

    return crc32c(0, seed, sizeof(seed));
}

struct change {
    uint8_t key;
    bool is_delete;
    size_t size; /* of the value, made of key and version */
};

static bool is_image(uint64_t v)
{
    return v % 7 == 0;
}

static unsigned changes_of(uint64_t v, struct change changes[MAX_CHANGES])
{
    unsigned n = 1 + (unsigned)(draw(v, 1) % MAX_CHANGES);

    for (unsigned i = 0; i < n; i++) {
        uint64_t r = draw(v, 100 + i);

        changes[i] = (struct change){
            .key = (uint8_t)(r % N_KEYS),
            .is_delete = !is_image(v) && r >> 8 & 1,
            .size = r >> 16 & 1 ? (r >> 17) % 50 : (r >> 17) % MAX_VALUE,
        };
    }
    return n;
}

static void fill(uint8_t *value, size_t size, uint8_t key, uint64_t v)
{
    for (size_t i = 0; i < size; i++)
        value[i] = (uint8_t)(draw(v, key) + i * 7);
}

static struct state_applied applied_of(uint64_t v)
{
    return (struct state_applied){ .index = v, .term = v / 3, .checksum = (uint32_t)draw(v, 2) };
}

int rig_write(uint64_t v)
{
    static uint8_t keys[MAX_CHANGES], values[MAX_CHANGES][MAX_VALUE];
    struct state_record records[MAX_CHANGES];
    struct change changes[MAX_CHANGES];
    struct state_applied applied = applied_of(v);
    unsigned n = changes_of(v, changes);

    for (unsigned i = 0; i < n; i++) {
        keys[i] = changes[i].key;
        fill(values[i], changes[i].size, changes[i].key, v);
        records[i] = (struct state_record){ .kind = changes[i].key % 3, .key = slice_make(&keys[i], 1) };
        if (!changes[i].is_delete)
            records[i].value = slice_make(values[i], changes[i].size);
    }
    return is_image(v) ? state_replace(rig.db, RIG_GROUP, &applied, records, n)
                       : state_write(rig.db, RIG_GROUP, &applied, records, n);
}

/* For each key the version that wrote it last and how much, as of version v. */
struct model {
    uint64_t written[N_KEYS]; /* 0: not there */
    size_t size[N_KEYS];
};

static void model_at(struct model *m, uint64_t v)
{
    struct change changes[MAX_CHANGES];

    *m = (struct model){ 0 };
    for (uint64_t i = 1; i <= v; i++) {
        unsigned n = changes_of(i, changes);

        if (is_image(i))
            *m = (struct model){ 0 };
        for (unsigned k = 0; k < n; k++) {
            m->written[changes[k].key] = changes[k].is_delete ? 0 : i;
            m->size[changes[k].key] = changes[k].size;
        }
    }
}

static int check_record(void *ctx, const struct state_record *rec)
{
    static uint8_t value[MAX_VALUE];
    struct model *m = ctx;
    uint8_t key = rec->key.data[0];

    if (rec->key.size != 1 || key >= N_KEYS || rec->kind != key % 3 || m->written[key] == 0)
        return -EILSEQ;
    fill(value, m->size[key], key, m->written[key]);
    if (!slice_eq(rec->value, slice_make(value, m->size[key])))
        return -EILSEQ;
    m->written[key] = 0;
    return 0;
}

int rig_read(uint64_t *ret_version)
{
    struct state_applied applied, want;
    struct model model;
    int rc = state_applied(rig.db, RIG_GROUP, &applied);

    if (rc != 0)
        return rc;
    want = applied_of(applied.index);
    if (applied.index != 0 && (applied.term != want.term || applied.checksum != want.checksum))
        return -EILSEQ;
    if (applied.index > 1000)
        return -EILSEQ;
    model_at(&model, applied.index);
    rc = state_load(rig.db, RIG_GROUP, check_record, &model);
    for (unsigned i = 0; rc == 0 && i < N_KEYS; i++)
        rc = model.written[i] != 0 ? -EILSEQ : 0;
    if (rc == 0)
        *ret_version = applied.index;
    return rc;
}

void rig_expect(uint64_t version)
{
    uint64_t found = 0;

    if (rig.db == NULL)
        ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(rig_read(&found), 0);
    ck_assert_uint_eq(found, version);
}
