/* The seal of a published file: one checksum over all bytes that are not data of a dataset. Names, shapes,
 * attributes and the heaps they lie in have no other that HDF5 would check; the data have theirs by block. */
#include "store/internal.h"

#include "tutti/hash.h"
#include "tutti/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEAL CHECKSUM_GROUP "/(structure)"

tt_status seal_create(hid_t file, const char *part)
{
    hid_t d = h5_create_dataset(file, SEAL, H5T_NATIVE_UINT64, 1, &(int64_t){1}, true);
    if (d < 0) return h5_fail(TT_ERR_IO, "cannot seal %s", part);
    h5_close(d);
    return TT_OK;
}

/* Where the seal's own number lies, and what it is about. */
static tt_status locate(hid_t file, int fd, const char *path, int64_t *at, ranges *structure)
{
    ranges data = {0};
    struct stat info;
    hid_t d = H5Dopen2(file, SEAL, H5P_DEFAULT);
    haddr_t offset = d < 0 ? HADDR_UNDEF : H5Dget_offset(d);
    h5_close(d);
    if (offset == HADDR_UNDEF) return h5_fail(TT_ERR_INPUT, "%s: its seal cannot be read", path);
    *at = (int64_t)offset;
    if (fstat(fd, &info) != 0) return tt_fail_errno("read", path);
    tt_status s = ranges_of_data(file, path, &data);
    if (s == TT_OK) s = ranges_between(&data, info.st_size, structure);
    free(data.v);
    return s;
}

static tt_status add_range(int fd, const char *path, tt_range r, tt_checksum_sum *sum)
{
    char buffer[65536];
    for (int64_t at = r.begin; at < r.end; at += (int64_t)sizeof buffer) {
        int64_t n = r.end - at < (int64_t)sizeof buffer ? r.end - at : (int64_t)sizeof buffer;
        if (!read_all(fd, buffer, n, at)) return tt_fail_errno("read", path);
        tt_checksum_add(sum, buffer, (size_t)n);
    }
    return TT_OK;
}

/* The number as it should be, and where it is kept. */
static tt_status compute(hid_t file, int fd, const char *path, int64_t *at, uint64_t *sum)
{
    ranges structure = {0};
    tt_checksum_sum *running = NULL;
    tt_status s = locate(file, fd, path, at, &structure);
    if (s == TT_OK) s = tt_checksum_new(&running);
    for (int64_t i = 0; i < structure.n && s == TT_OK; i++) s = add_range(fd, path, structure.v[i], running);
    if (s == TT_OK) *sum = tt_checksum_get(running);
    tt_checksum_free(running);
    free(structure.v);
    return s;
}

tt_status seal_set(const char *part)
{
    int64_t at;
    uint64_t sum;
    int fd = open(part, O_RDWR | O_CLOEXEC);
    if (fd < 0) return tt_fail_errno("open", part);
    hid_t file = h5_open_alone(part);
    tt_status s = file < 0 ? h5_fail(TT_ERR_IO, "cannot open %s", part) : compute(file, fd, part, &at, &sum);
    h5_close(file);
    if (s == TT_OK && (!write_all(fd, &sum, sizeof sum, at) || fsync(fd) != 0))
        s = tt_fail_errno("write", part);
    if (close(fd) != 0 && s == TT_OK) s = tt_fail_errno("write", part);
    return s;
}

/* Where HDF5 fails to look, that is damage: having failed once it may see nothing there the next time. */
static tt_status find(hid_t file, const char *path, bool *there)
{
    htri_t found = H5Lexists(file, CHECKSUM_GROUP, H5P_DEFAULT);
    if (found > 0) found = H5Lexists(file, SEAL, H5P_DEFAULT);
    *there = found > 0;
    return found < 0 ? h5_fail(TT_ERR_INPUT, "%s is damaged", path) : TT_OK;
}

tt_status seal_check(hid_t file, const char *path, bool *sealed)
{
    int64_t at;
    uint64_t sum, stored;
    TT_TRY(find(file, path, sealed));
    if (!*sealed) return TT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tt_fail_errno("open", path);
    tt_status s = compute(file, fd, path, &at, &sum);
    if (s == TT_OK && !read_all(fd, &stored, sizeof stored, at)) s = tt_fail_errno("read", path);
    if (s == TT_OK && stored != sum)
        s = tt_fail(TT_ERR_INPUT,
                    "%s: its structure (names, shapes, attributes) is damaged, or was changed by another "
                    "program; remove the file to have it made anew",
                    path);
    close(fd);
    return s;
}
