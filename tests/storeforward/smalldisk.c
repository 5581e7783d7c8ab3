/* LD_PRELOAD: makes the folder SMALLDISK_FOLDER a disk of SMALLDISK_BYTES. What would need more fails with ENOSPC, as the kernel's
 * own answer would be. Counted are the blocks of the files in it, so that a file that is removed gives its room back. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_inside(int file, struct stat *status) {
    const char *folder = getenv("SMALLDISK_FOLDER");
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0 || !folder || fstat(file, status) != 0 || !S_ISREG(status->st_mode)) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/';
}

static long long used(void) {
    DIR *folder = opendir(getenv("SMALLDISK_FOLDER"));
    long long sum = 0;
    struct dirent *entry;
    struct stat status;
    while (folder && (entry = readdir(folder)) != NULL)
        if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode)) sum += status.st_blocks * 512LL;
    if (folder) closedir(folder);
    return sum;
}

/* Whether a write up to `end` finds room. */
static int fits(int file, long long end) {
    struct stat status;
    if (!is_inside(file, &status)) return 1;
    long long more = end - status.st_blocks * 512LL;
    if (more <= 0 || end <= status.st_size) return 1;
    return used() + more <= atoll(getenv("SMALLDISK_BYTES"));
}

#define REAL(name, type) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)
typedef ssize_t (*pwriter)(int, const void *, size_t, off_t);
typedef ssize_t (*writer)(int, const void *, size_t);
typedef int (*allocator)(int, off_t, off_t);

static ssize_t placed(const char *name, int file, const void *data, size_t size, off_t offset) {
    pwriter real = (pwriter)dlsym(RTLD_NEXT, name);
    if (!fits(file, (long long)offset + (long long)size)) { errno = ENOSPC; return -1; }
    return real(file, data, size, offset);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return placed("pwrite", file, data, size, offset); }
ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) { return placed("pwrite64", file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
    REAL("write", writer);
    if (!fits(file, (long long)lseek(file, 0, SEEK_CUR) + (long long)size)) { errno = ENOSPC; return -1; }
    return real(file, data, size);
}

int posix_fallocate(int file, off_t offset, off_t size) {
    REAL("posix_fallocate", allocator);
    return fits(file, (long long)offset + (long long)size) ? real(file, offset, size) : ENOSPC;
}

int posix_fallocate64(int file, off_t offset, off_t size) { return posix_fallocate(file, offset, size); }
