#include "store/internal.h"

#include "tutti/memory.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

typedef struct reason {
    char text[256];
    bool from_system; /* it is strerror()'s text */
} reason;

/* The innermost description is the closest to the cause; a text of the operating system beats them all. */
static herr_t collect_reason(unsigned n, const H5E_error2_t *error, void *context)
{
    (void)n;
    reason *r = context;
    if (!error->desc || r->from_system) return 0;
    const char *mark = "error message = '", *system = strstr(error->desc, mark);
    if (system) {
        snprintf(r->text, sizeof r->text, "%s", system + strlen(mark));
        r->text[strcspn(r->text, "'")] = 0;
        r->from_system = true;
    } else if (!r->text[0]) {
        snprintf(r->text, sizeof r->text, "%s", error->desc);
    }
    return 0;
}

tt_status h5_fail(tt_status code, const char *format, ...)
{
    reason r = {0};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect_reason, &r);
    H5Eclear2(H5E_DEFAULT);
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return tt_fail(code, "%s: %s", text, r.text[0] ? r.text : "HDF5 gave no reason");
}

hid_t h5_access(const tt_comm *comm)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    bool ok = access >= 0 && H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0;
    /* Version 2 of the superblock: headers carry checksums, and no "open for writing" mark outlives a kill.
     */
    ok = ok && H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0;
#if H5_VERSION_GE(1, 10, 7) && !(H5_VERS_MAJOR == 1 && H5_VERS_MINOR == 12 && H5_VERS_RELEASE == 0)
    /* Published files never change and a .part has one writer; locks fail on many Lustre and NFS mounts. */
    ok = ok && H5Pset_file_locking(access, false, true) >= 0;
#endif
    if (comm) ok = ok && H5Pset_fapl_mpio(access, comm->mpi, MPI_INFO_NULL) >= 0;
    if (ok) return access;
    h5_close(access);
    return H5I_INVALID_HID;
}

hid_t h5_open_alone(const char *path)
{
    hid_t access = h5_access(NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    h5_close(access);
    return file;
}

tt_status h5_check_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0) return tt_fail_errno("open", path);
    if (S_ISDIR(info.st_mode)) return tt_fail(TT_ERR_INPUT, "%s is a folder, not an HDF5 file", path);
    if (!S_ISREG(info.st_mode)) return tt_fail(TT_ERR_INPUT, "%s is not a regular file", path);
    if (info.st_size == 0) return tt_fail(TT_ERR_INPUT, "%s is empty, not an HDF5 file", path);
    if (H5Fis_hdf5(path) <= 0) return tt_fail(TT_ERR_INPUT, "%s is not an HDF5 file", path);
    return TT_OK;
}

static hid_t text_type(int64_t bytes)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    if (t >= 0 && H5Tset_size(t, (size_t)bytes) >= 0 && H5Tset_cset(t, H5T_CSET_UTF8) >= 0 &&
        H5Tset_strpad(t, H5T_STR_NULLPAD) >= 0)
        return t;
    h5_close(t);
    return H5I_INVALID_HID;
}

/* IEEE 754 binary16, which HDF5 has no name for before 1.14. */
static hid_t half_type(void)
{
    hid_t t = H5Tcopy(H5T_NATIVE_FLOAT);
    if (t >= 0 && H5Tset_fields(t, 15, 10, 5, 0, 10) >= 0 && H5Tset_ebias(t, 15) >= 0 &&
        H5Tset_size(t, 2) >= 0)
        return t;
    h5_close(t);
    return H5I_INVALID_HID;
}

hid_t h5_type(tt_type type, int64_t text_bytes)
{
    switch (type) {
    case TT_U8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case TT_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case TT_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case TT_U64:
        return H5Tcopy(H5T_NATIVE_UINT64);
    case TT_F16:
        return half_type();
    case TT_F32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case TT_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case TT_TEXT:
        return text_type(text_bytes);
    }
    return H5I_INVALID_HID;
}

size_t type_bytes(tt_type type, int64_t text_bytes)
{
    switch (type) {
    case TT_U8:
        return 1;
    case TT_F16:
        return 2;
    case TT_I32:
    case TT_F32:
        return 4;
    case TT_I64:
    case TT_U64:
    case TT_F64:
        return 8;
    case TT_TEXT:
        return (size_t)text_bytes;
    }
    return 0;
}

static hid_t dataset_properties(bool zeros)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(p, H5D_CONTIGUOUS);
    H5Pset_alloc_time(p, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(p, zeros ? H5D_FILL_TIME_ALLOC : H5D_FILL_TIME_NEVER);
    H5Pset_attr_phase_change(p, 64, 32);
    return p;
}

hid_t h5_create_dataset(hid_t file, const char *name, hid_t type, int n_dims, const int64_t *dims, bool zeros)
{
    hsize_t extent[TT_STORE_DIMS] = {0};
    for (int i = 0; i < n_dims; i++) extent[i] = (hsize_t)dims[i];
    hid_t links = H5Pcreate(H5P_LINK_CREATE), properties = dataset_properties(zeros);
    hid_t space = H5Screate_simple(n_dims, extent, NULL);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_char_encoding(links, H5T_CSET_UTF8);
    hid_t d = H5Dcreate2(file, name, type, space, links, properties, H5P_DEFAULT);
    h5_close(space);
    h5_close(properties);
    h5_close(links);
    return d;
}

bool h5_exists(hid_t file, const char *name)
{
    char part[1024];
    if (strlen(name) >= sizeof part) return false;
    for (const char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0) return false;
    }
    return H5Lexists(file, name, H5P_DEFAULT) > 0 && H5Oexists_by_name(file, name, H5P_DEFAULT) > 0;
}

/* Every call into HDF5 forgets the errors of the one before: they are put aside while closing. */
void h5_close(hid_t id)
{
    if (id < 0) return;
    hid_t errors = H5Eget_current_stack();
    switch (H5Iget_type(id)) {
    case H5I_FILE:
        H5Fclose(id);
        break;
    case H5I_GROUP:
        H5Gclose(id);
        break;
    case H5I_DATATYPE:
        H5Tclose(id);
        break;
    case H5I_DATASPACE:
        H5Sclose(id);
        break;
    case H5I_DATASET:
        H5Dclose(id);
        break;
    case H5I_ATTR:
        H5Aclose(id);
        break;
    case H5I_GENPROP_LST:
        H5Pclose(id);
        break;
    default:
        break;
    }
    H5Eset_current_stack(errors);
}

const char *store_file(const tt_store *store)
{
    return store->part ? store->part : store->path;
}

tt_status sync_folder_of(const char *path)
{
    char *copy;
    TT_TRY(tt_copy_text(path, &copy));
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tt_status s = TT_OK;
    /* Some file systems cannot sync a folder and say EINVAL: there is nothing more to do then. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) s = tt_fail_errno("sync the folder of", path);
    if (fd >= 0) close(fd);
    free(copy);
    return s;
}
