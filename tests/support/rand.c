/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/rand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIXED_SEED 0x676f7175657565 /* "goqueue" */
#define MAX_NOTES 512

struct note {
    char func[56];
    uint64_t seed;
};

/* Check forks for each test; the page is shared, so that the parent can tell the seed of a child that died. */
struct notes {
    size_t n;
    struct note items[MAX_NOTES];
};

static struct notes *notes;

void rand_notes_open(void)
{
    void *p = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    notes = p != MAP_FAILED ? p : NULL;
}

void rand_notes_print(const char *test)
{
    size_t length = strlen(test);

    /* The newest first: a test that was run twice left two. Check calls the function of test t "t" or "t_fn". */
    for (size_t i = notes != NULL ? notes->n : 0; i-- > 0;) {
        const char *func = notes->items[i].func;

        if (strncmp(func, test, length) == 0 && (func[length] == '\0' || strcmp(func + length, "_fn") == 0)) {
            printf("%s: failed with GQ_TEST_SEED=%" PRIu64 "\n", test, notes->items[i].seed);
            return;
        }
    }
}

static void take_note(const char *func, uint64_t seed)
{
    struct note *note;

    if (notes == NULL || notes->n == MAX_NOTES)
        return;
    note = &notes->items[notes->n++];
    snprintf(note->func, sizeof(note->func), "%s", func);
    note->seed = seed;
}

void rand_init_(struct rand *r, const char *func)
{
    const char *given = getenv("GQ_TEST_SEED");

    r->state = given != NULL ? strtoull(given, NULL, 0) : FIXED_SEED;
    take_note(func, r->state);
}

uint64_t rand_u64(struct rand *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t rand_below(struct rand *r, uint64_t n)
{
    return (uint64_t)((unsigned __int128)rand_u64(r) * n >> 64);
}

uint64_t rand_range(struct rand *r, uint64_t low, uint64_t high)
{
    uint64_t n = high - low + 1;

    return n != 0 ? low + rand_below(r, n) : rand_u64(r);
}

bool rand_chance(struct rand *r, unsigned n, unsigned of)
{
    return rand_below(r, of) < n;
}

uint64_t rand_edgy_u64(struct rand *r)
{
    unsigned shift = (unsigned)rand_below(r, 64);

    if (rand_chance(r, 1, 4))
        return ((uint64_t)1 << shift) + rand_below(r, 3) - 1;
    return rand_u64(r) >> shift;
}

void rand_fill(struct rand *r, void *to, size_t size)
{
    uint8_t *p = to;

    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)rand_u64(r);
}
