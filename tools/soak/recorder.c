/* Records what a process does to the files of one folder, in the order in which it was done, for campaigns that cut the power.
 *
 *     LD_PRELOAD=recorder.so HOMEWATT_RECORD_UNDER=/folder HOMEWATT_RECORD_TO=/log program
 *
 * An entry of the log: operation (1 byte), inode (8), number (8), length (4), that many bytes; integers in the machine's order.
 *     W  written: the bytes, at offset `number`         T  truncated or extended to `number` bytes
 *     S  synced: the file, or the folder with its names  N  opened to write: the name of the inode
 *     M  renamed: old name, zero byte, new name          U  unlinked: the name
 * What a call did is logged after it returned. Shared maps and vectored writes are not seen; whoever reads the log compares its
 * end with the files. Calls go to the kernel directly (64-bit Linux), so there is nothing to look up.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define HANDLES 1024
static const char *folder;
static size_t folder_length;
static int log_handle = -1;
static uint64_t inode_of[HANDLES]; /* 0: a handle that is not recorded */

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("HOMEWATT_RECORD_TO");
    folder = getenv("HOMEWATT_RECORD_UNDER");
    if (!log || !folder) abort();
    folder_length = strlen(folder);
    log_handle = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_handle < 0) abort();
}

static void record(char operation, uint64_t inode, uint64_t number, const void *bytes, uint32_t length) {
    struct __attribute__((packed)) { char operation; uint64_t inode, number; uint32_t length; } head =
        {operation, inode, number, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (syscall(SYS_writev, log_handle, parts, 2) != (ssize_t)(sizeof head + length)) abort();
}

static const char *name_in_folder(const char *path) {
    return !strncmp(path, folder, folder_length) && path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static uint64_t inode(int handle) { return handle >= 0 && handle < HANDLES ? inode_of[handle] : 0; }

static int opened(int handle, const char *path, int flags) {
    const char *name = name_in_folder(path);
    struct stat is;
    if (handle < 0 || (!name && strcmp(path, folder)) || fstat(handle, &is)) return handle;
    if (handle >= HANDLES) abort();
    inode_of[handle] = is.st_ino;
    if (name && (flags & O_ACCMODE) != O_RDONLY) record('N', is.st_ino, 0, name, strlen(name));
    if (name && flags & O_TRUNC) record('T', is.st_ino, 0, NULL, 0);
    return handle;
}

#define OPEN(function, ...)                                                                  \
    int function(__VA_ARGS__ const char *path, int flags, ...) {                             \
        va_list rest;                                                                        \
        va_start(rest, flags);                                                               \
        int mode = flags & O_CREAT ? va_arg(rest, int) : 0;                                  \
        va_end(rest);                                                                        \
        return opened(syscall(SYS_openat, WHERE, path, flags, mode), path, flags);           \
    }
#define WHERE AT_FDCWD
OPEN(open)
OPEN(open64)
#undef WHERE
#define WHERE where
OPEN(openat, int where,)
OPEN(openat64, int where,)

int close(int handle) {
    if (inode(handle)) inode_of[handle] = 0;
    return syscall(SYS_close, handle);
}

ssize_t write(int handle, const void *bytes, size_t length) {
    ssize_t written = syscall(SYS_write, handle, bytes, length);
    if (written > 0 && inode(handle)) record('W', inode(handle), lseek(handle, 0, SEEK_CUR) - written, bytes, written);
    return written;
}

ssize_t pwrite64(int handle, const void *bytes, size_t length, off64_t offset) {
    ssize_t written = syscall(SYS_pwrite64, handle, bytes, length, offset);
    if (written > 0 && inode(handle)) record('W', inode(handle), offset, bytes, written);
    return written;
}
ssize_t pwrite(int handle, const void *bytes, size_t length, off_t offset) { return pwrite64(handle, bytes, length, offset); }

int ftruncate64(int handle, off64_t size) {
    int failed = syscall(SYS_ftruncate, handle, size);
    if (!failed && inode(handle)) record('T', inode(handle), size, NULL, 0);
    return failed;
}
int ftruncate(int handle, off_t size) { return ftruncate64(handle, size); }

static int synced(int handle, int failed) {
    if (!failed && inode(handle)) record('S', inode(handle), 0, NULL, 0);
    return failed;
}
int fsync(int handle) { return synced(handle, syscall(SYS_fsync, handle)); }
int fdatasync(int handle) { return synced(handle, syscall(SYS_fdatasync, handle)); }

int rename(const char *old, const char *new) {
    const char *from = name_in_folder(old), *to = name_in_folder(new);
    int failed = syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0);
    if (!failed && from && to) {
        size_t middle = strlen(from) + 1, length = middle + strlen(to);
        char names[length + 1];
        strcpy(names, from);
        strcpy(names + middle, to);
        record('M', 0, 0, names, length);
    }
    return failed;
}

int unlink(const char *path) {
    const char *name = name_in_folder(path);
    int failed = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!failed && name) record('U', 0, 0, name, strlen(name));
    return failed;
}
