/* linux_files.c: the verbs of files.h on Linux, and the clock that counts suspend.
 *
 * Sources: open(2), rename(2), unlink(2), read(2), write(2), fsync(2),
 * close(2), clock_gettime(2).
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

#define OWNER_ONLY (S_IRUSR | S_IWUSR)

static int opened(int *out, int file) {
    *out = file;
    return file < 0 ? errno : 0;
}

static int done(int result) {
    return result < 0 ? errno : 0;
}

/* open(2) opens a directory for reading: what cannot be read is refused here, as Python does. */
int sm_os_file_open(int *out, const char *path) {
    struct stat facts;
    int error = opened(out, open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (error != 0) return error;
    if (fstat(*out, &facts) != 0) error = errno;
    else if (S_ISDIR(facts.st_mode)) error = EISDIR;
    if (error == 0) return 0;
    close(*out);
    *out = -1;
    return error;
}

int sm_os_directory_open(int *out, const char *path) {
    return opened(out, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

int sm_os_place_create(int *out, int directory, const char *name) {
    return opened(out, openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, OWNER_ONLY));
}

int sm_os_place_rename(int directory, const char *from, const char *to) {
    return done(renameat(directory, from, directory, to));
}

int sm_os_place_unlink(int directory, const char *name) {
    return done(unlinkat(directory, name, 0));
}

static int counted(size_t *count, ssize_t result) {
    *count = result < 0 ? 0 : (size_t)result;
    return result < 0 ? errno : 0;
}

int sm_os_file_read(size_t *count, int file, void *buffer, size_t length) {
    return counted(count, read(file, buffer, length));
}

int sm_os_file_write(size_t *count, int file, const void *buffer, size_t length) {
    return counted(count, write(file, buffer, length));
}

/* EINVAL: a file that has no disk, such as a pipe. */
int sm_os_file_sync(int file) {
    int error = done(fsync(file));
    return error == EINVAL || error == EROFS ? 0 : error;
}

int sm_os_directory_sync(int directory) {
    int readable;
    int error = opened(&readable, openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (error != 0) return error == EACCES || error == EPERM ? 0 : error;
    error = sm_os_file_sync(readable);
    close(readable);
    return error;
}

void sm_os_file_close(int file) {
    close(file);
}

uint64_t sm_os_boottime(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
