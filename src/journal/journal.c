/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A journal from its first to its last moment, and what its owner may ask at any time. */

#include "base/util.h"
#include "journal/internal.h"

struct journal *journal_new(const struct journal_config *config)
{
    struct journal *j = xcalloc(1, sizeof(*j));

    gq_assert(config->prng != NULL && config->file_size_bytes >= config->first_file_size_bytes &&
              config->first_file_size_bytes >= JOURNAL_FILE_SIZE_MIN);
    j->config = *config;
    j->config.file_size_bytes = ALIGN_UP(config->file_size_bytes, (uint64_t)JOURNAL_BLOCK_ALIGN);
    j->config.first_file_size_bytes = ALIGN_UP(config->first_file_size_bytes, (uint64_t)JOURNAL_BLOCK_ALIGN);
    j->config.size_bytes =
        MAX(config->size_bytes, JOURNAL_FILES_MIN * j->config.file_size_bytes + j->config.first_file_size_bytes);
    j->dir = (struct journal_dir){ config->disk, xstrdup(config->dir) };
    j->config.dir = j->dir.path;
    j->next_generation = MAX(config->first_generation, UINT64_C(1));
    journal_group_table_init(&j->groups);
    list_init(&j->files);
    list_init(&j->spares);
    list_init(&j->voids);
    list_init(&j->leaving);
    list_init(&j->waiting);
    list_init(&j->flight.requests);
    j->flight.journal = j->keeper.journal = j;
    return j;
}

static void free_files(struct list *files)
{
    struct journal_file *f, *tmp;

    list_foreach_safe (files, f, tmp, link)
        journal_file_free(f);
}

void journal_free(struct journal *j)
{
    struct list *link;

    if (j == NULL)
        return;
    /* Requests that wait or were dropped are not touched: their owners may be gone. */
    while ((link = list_pop(&j->leaving)) != NULL)
        journal_group_free(list_entry(link, struct journal_group, link));
    free_files(&j->files);
    free_files(&j->voids);
    journal_file_free(j->next);
    journal_file_free(j->keeper.file);
    free(j->keeper.spare);
    disk_close(j->keeper.blank.io);
    disk_close(j->keeper.make.io);
    free(j->reserve);
    while ((link = list_pop(&j->spares)) != NULL)
        free(list_entry(link, struct journal_spare, link));
    journal_group_table_fini(&j->groups);
    journal_bytes_fini(&j->flight.head);
    journal_bytes_fini(&j->flight.tail);
    journal_bytes_fini(&j->keeper.head);
    journal_staging_fini(&j->staging);
    free(j->dir.path);
    free(j);
}

void journal_set_fatal(struct journal *j, journal_fatal_fn fn, void *ctx)
{
    j->fatal = fn;
    j->fatal_ctx = ctx;
}

void journal_die(struct journal *j, int err, const char *what)
{
    j->dead = true;
    gq_assert(j->fatal != NULL); /* nobody to tell: end here rather than go on */
    j->fatal(j->fatal_ctx, err, what);
}

bool journal_is_idle(const struct journal *j)
{
    return !j->flight.busy && !j->keeper.busy && list_is_empty(&j->waiting);
}

bool journal_is_quiet(const struct journal *j)
{
    return (!j->flight.busy || j->flight.failed) && !j->keeper.busy;
}

bool journal_needs_tick(const struct journal *j)
{
    return !j->dead && j->lane != NULL &&
           (!j->sealed || j->flight.failed || j->keeper.stuck != 0 || j->stats.n_flushes != j->tick_flushes);
}

bool journal_is_full(const struct journal *j)
{
    return j->full;
}

bool journal_is_at_work(const struct journal *j, uint64_t now_ns)
{
    return j->flight.busy || (j->n_waiting > 0 && j->batch_end_ns != 0 && now_ns >= j->batch_end_ns);
}

uint64_t journal_n_flushes(const struct journal *j)
{
    return j->stats.n_flushes;
}

bool journal_lacks_file(const struct journal *j)
{
    return j->lane != NULL && j->current == NULL;
}

int journal_space_error(const struct journal *j)
{
    return j->flight.failed ? j->flight.error : j->space_error;
}
