/* Tar files for the tests. */
#ifndef TUTTI_TESTS_TARS_H
#define TUTTI_TESTS_TARS_H

#include "corpora.h"

#include <archive.h>
#include <archive_entry.h>

typedef struct member {
    const char *name, *text;
} member;

static inline void put_tar(const char *dir, const char *name, const char *dialect, const member *members,
                           size_t n)
{
    char path[8300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_by_name(a, dialect), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[i].name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)strlen(members[i].text));
        archive_write_header(a, e);
        archive_write_data(a, members[i].text, strlen(members[i].text));
        archive_entry_free(e);
    }
    archive_write_close(a);
    archive_write_free(a);
}

/** The bytes that a track says are its audio. */
static inline void check_window(const tt_track *t, const char *expected)
{
    char got[256] = "";
    FILE *f = fopen(t->shard, "rb");
    assert_non_null(f);
    assert_int_equal(t->bytes, strlen(expected));
    fseek(f, (long)t->offset, SEEK_SET);
    assert_int_equal(fread(got, 1, (size_t)t->bytes, f), strlen(expected));
    fclose(f);
    assert_string_equal(got, expected);
}

#endif
