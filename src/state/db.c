/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/bug.h"
#include "base/util.h"
#include "state/state.h"
#include "state/vfs.h"

/* docs/format/state.md */
#define SCHEMA_VERSION 1

/* FULL: a transaction is on the medium when it is said to be. PERSIST keeps the rollback journal's file, so that a
 * transaction needs no directory sync, but doesn't let it stay large. Little memory: the database is read once, at
 * start. */
static const char setup[] = "PRAGMA page_size=4096;"
                            "PRAGMA locking_mode=EXCLUSIVE;"
                            "PRAGMA journal_mode=PERSIST;"
                            "PRAGMA journal_size_limit=1048576;"
                            "PRAGMA synchronous=FULL;"
                            "PRAGMA temp_store=MEMORY;"
                            "PRAGMA mmap_size=0;"
                            "PRAGMA cache_size=-256;";

static const char schema[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE applied(grp INTEGER PRIMARY KEY, idx INTEGER NOT NULL,"
                             " term INTEGER NOT NULL, checksum INTEGER NOT NULL);"
                             "CREATE TABLE records(grp INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL,"
                             " value BLOB NOT NULL, PRIMARY KEY(grp, kind, key)) WITHOUT ROWID;"
                             "PRAGMA user_version=1;"
                             "COMMIT;";

#define STATEMENTS(X) \
    X(get_applied, "SELECT idx, term, checksum FROM applied WHERE grp=?1") \
    X(put_applied, "INSERT OR REPLACE INTO applied VALUES(?1, ?2, ?3, ?4)") \
    X(load, "SELECT kind, key, value FROM records WHERE grp=?1 ORDER BY kind, key") \
    X(put, "INSERT OR REPLACE INTO records VALUES(?1, ?2, ?3, ?4)") \
    X(drop, "DELETE FROM records WHERE grp=?1 AND kind=?2 AND key=?3") \
    X(drop_all, "DELETE FROM records WHERE grp=?1")

struct state_db {
    struct state_vfs vfs;
    sqlite3 *sqlite;
#define X(name, sql) sqlite3_stmt *name;
    STATEMENTS(X)
#undef X
};

/* What SQLite says as an errno or STATE_E_*. */
static int error_of(struct state_db *db, int code)
{
    int err = state_vfs_take_error(&db->vfs);

    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return err != 0 ? err : -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return STATE_E_DAMAGED;
    case SQLITE_ERROR: /* a table that isn't as it must be */
        return STATE_E_DAMAGED;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return err != 0 ? err : -EIO;
    }
}

static int run(struct state_db *db, const char *sql)
{
    return error_of(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

static int user_version(struct state_db *db, int *ret)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(db->sqlite, "PRAGMA user_version", -1, &stmt, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        *ret = sqlite3_column_int(stmt, 0);
        sqlite3_finalize(stmt);
    }
    return error_of(db, code);
}

static int prepare_all(struct state_db *db)
{
    int code = SQLITE_OK;

#define X(name, sql) \
    if (code == SQLITE_OK) \
        code = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &db->name, NULL);
    STATEMENTS(X)
#undef X
    return error_of(db, code);
}

static int set_up(struct state_db *db, struct error_text *err)
{
    int version = 0, reserved = STATE_PAGE_RESERVED;
    int rc = error_of(db, sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved));

    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    if (rc == 0)
        rc = run(db, setup);

    if (rc == 0)
        rc = user_version(db, &version);
    if (rc == 0 && version > SCHEMA_VERSION) {
        error_setf(err, "the database has version %d, this program knows %d", version, SCHEMA_VERSION);
        return STATE_E_VERSION;
    }
    if (rc == 0 && version == 0)
        rc = run(db, schema);
    return rc == 0 ? prepare_all(db) : rc;
}

static void say_why(const struct state_db *db, const char *path, int rc, struct error_text *err)
{
    if (err == NULL)
        return;
    if (rc == STATE_E_VERSION)
        error_setf(err, "%s: %s", path, err->text);
    else if (rc < 0)
        error_setf(err, "%s: %s", path, strerror(-rc));
    else
        error_setf(err, "%s: %s", path, sqlite3_errmsg(db->sqlite));
}

int state_open(struct env_disk *disk, struct env_prng *prng, const char *path, struct state_db **ret,
               struct error_text *err)
{
    struct state_db *db = xcalloc(1, sizeof(*db));
    int rc = state_vfs_init(&db->vfs, disk, prng);

    if (rc < 0) {
        free(db);
        return rc;
    }
    rc = error_of(db, sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, db->vfs.name));
    if (rc == 0)
        rc = set_up(db, err);
    if (rc == 0) {
        *ret = db;
        return 0;
    }
    say_why(db, path, rc, err);
    state_close(db);
    return rc;
}

void state_close(struct state_db *db)
{
    if (db == NULL)
        return;
#define X(name, sql) sqlite3_finalize(db->name);
    STATEMENTS(X)
#undef X
    sqlite3_close(db->sqlite);
    state_vfs_fini(&db->vfs);
    free(db);
}

static int remove_one(struct env_disk *disk, const char *path)
{
    int rc = disk_unlink(disk, path);

    return rc == -ENOENT ? 0 : rc;
}

/* The database is gone for good before its journal is touched: a rollback journal alone is harmless, a database that
 * lost its journal may be torn and not look like it. */
int state_remove(struct env_disk *disk, const char *path)
{
    _cleanup_(freep) char *journal = xasprintf("%s-journal", path);
    _cleanup_(freep) char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');
    const char *parent = slash != NULL ? dir : ".";
    int rc = remove_one(disk, path);

    if (slash != NULL)
        *slash = '\0';
    if (rc == 0)
        rc = disk_sync_dir(disk, parent);
    if (rc == 0)
        rc = remove_one(disk, journal);
    return rc == 0 ? disk_sync_dir(disk, parent) : rc;
}

int state_applied(struct state_db *db, uint64_t group, struct state_applied *ret)
{
    int code;

    sqlite3_bind_int64(db->get_applied, 1, (sqlite3_int64)group);
    code = sqlite3_step(db->get_applied);
    *ret = (struct state_applied){ 0 };
    if (code == SQLITE_ROW) {
        ret->index = (uint64_t)sqlite3_column_int64(db->get_applied, 0);
        ret->term = (uint64_t)sqlite3_column_int64(db->get_applied, 1);
        ret->checksum = (uint32_t)sqlite3_column_int64(db->get_applied, 2);
    }
    sqlite3_reset(db->get_applied);
    return error_of(db, code);
}

static struct slice column(sqlite3_stmt *stmt, int i)
{
    const void *data = sqlite3_column_blob(stmt, i);

    return slice_make(data != NULL ? data : "", (size_t)sqlite3_column_bytes(stmt, i));
}

int state_load(struct state_db *db, uint64_t group, state_record_fn fn, void *ctx)
{
    int code, rc = 0;

    sqlite3_bind_int64(db->load, 1, (sqlite3_int64)group);
    while (rc == 0 && (code = sqlite3_step(db->load)) == SQLITE_ROW) {
        struct state_record rec = {
            .kind = (uint16_t)sqlite3_column_int(db->load, 0),
            .key = column(db->load, 1),
            .value = column(db->load, 2),
        };

        rc = fn(ctx, &rec);
    }
    sqlite3_reset(db->load);
    return rc != 0 ? rc : error_of(db, code);
}

static int step(struct state_db *db, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);

    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return error_of(db, code);
}

static int write_record(struct state_db *db, uint64_t group, const struct state_record *rec)
{
    sqlite3_stmt *stmt = rec->value.data != NULL ? db->put : db->drop;

    int code;

    gq_assert(rec->key.data != NULL);
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)group);
    sqlite3_bind_int(stmt, 2, rec->kind);
    code = sqlite3_bind_blob64(stmt, 3, rec->key.data, rec->key.size, SQLITE_STATIC);
    if (code == SQLITE_OK && rec->value.data != NULL)
        code = sqlite3_bind_blob64(stmt, 4, rec->value.data, rec->value.size, SQLITE_STATIC);
    return code == SQLITE_OK ? step(db, stmt) : error_of(db, code);
}

static int write_applied(struct state_db *db, uint64_t group, const struct state_applied *applied)
{
    sqlite3_bind_int64(db->put_applied, 1, (sqlite3_int64)group);
    sqlite3_bind_int64(db->put_applied, 2, (sqlite3_int64)applied->index);
    sqlite3_bind_int64(db->put_applied, 3, (sqlite3_int64)applied->term);
    sqlite3_bind_int64(db->put_applied, 4, (sqlite3_int64)applied->checksum);
    return step(db, db->put_applied);
}

static int drop_all(struct state_db *db, uint64_t group)
{
    sqlite3_bind_int64(db->drop_all, 1, (sqlite3_int64)group);
    return step(db, db->drop_all);
}

static int write_all(struct state_db *db, uint64_t group, const struct state_applied *applied,
                     const struct state_record *records, size_t n, bool replace)
{
    int rc = GQ_BUG(STATE_APPLIED_APART) ? write_applied(db, group, applied) : 0;

    if (rc == 0)
        rc = run(db, "BEGIN IMMEDIATE");
    if (rc == 0 && replace)
        rc = drop_all(db, group);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = write_record(db, group, &records[i]);
    if (rc == 0)
        rc = write_applied(db, group, applied);
    if (rc == 0)
        rc = run(db, "COMMIT");
    if (rc != 0 && !sqlite3_get_autocommit(db->sqlite)) {
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
        state_vfs_take_error(&db->vfs);
    }
    return rc;
}

int state_write(struct state_db *db, uint64_t group, const struct state_applied *applied,
                const struct state_record *changes, size_t n_changes)
{
    return write_all(db, group, applied, changes, n_changes, false);
}

int state_replace(struct state_db *db, uint64_t group, const struct state_applied *applied,
                  const struct state_record *records, size_t n_records)
{
    return write_all(db, group, applied, records, n_records, true);
}

void state_seed(uint32_t seed)
{
    int number = (int)(seed & INT32_MAX);

    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, number != 0 ? number : 1, NULL);
}
