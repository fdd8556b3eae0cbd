/* linux_doors.c: files, pipes, sockets and the environment on Linux.
 *
 * Sources: open(2), fstat(2), read(2), write(2), poll(2), and proc_pid_stat(5)
 * for env_start and env_end.
 */
#include "os_doors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sm_os_open_input(int *out, const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0) return sm_os_note("open", errno, 0);
    *out = file;
    return 0;
}

int sm_os_file_look(struct sm_file *out, int file) {
    struct stat facts;
    if (fstat(file, &facts) != 0) return sm_os_note("fstat", errno, 0);
    int flags = fcntl(file, F_GETFL);
    if (flags < 0) return sm_os_note("fcntl(F_GETFL)", errno, 0);
    *out = (struct sm_file){.size = (uint64_t)facts.st_size,
                            .mode = facts.st_mode & 0777,
                            .owner = facts.st_uid,
                            .is_regular = S_ISREG(facts.st_mode),
                            .is_folder = S_ISDIR(facts.st_mode),
                            .is_pipe = S_ISFIFO(facts.st_mode),
                            .is_socket = S_ISSOCK(facts.st_mode),
                            .is_readable = (flags & O_ACCMODE) != O_WRONLY,
                            .is_own = facts.st_uid == geteuid() || facts.st_uid == 0};
    return 0;
}

int sm_os_read(size_t *got, int file, void *out, size_t length) {
    ssize_t count = read(file, out, length);
    if (count < 0) return sm_os_note("read", errno, length);
    *got = (size_t)count;
    return 0;
}

int sm_os_write(size_t *done, int file, const void *data, size_t length) {
    ssize_t count = write(file, data, length);
    if (count < 0) return sm_os_note("write", errno, length);
    *done = (size_t)count;
    return 0;
}

int sm_os_wait(int file, bool writing, int milliseconds) {
    struct pollfd one = {.fd = file, .events = writing ? POLLOUT : POLLIN};
    int ready = poll(&one, 1, milliseconds);
    if (ready < 0) return sm_os_note("poll", errno, 0);
    if (ready == 0) return sm_os_note("poll", ETIMEDOUT, 0);
    return (one.revents & POLLNVAL) != 0 ? sm_os_note("poll", EBADF, 0) : 0;
}

int sm_os_environment(uintptr_t *start, uintptr_t *end) {
    char text[2048];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) return sm_os_note("open(/proc/self/stat)", errno, 0);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *at = strrchr(text, ')'); /* the second field is a name that may hold anything; the third comes after it */
    for (int field = 2; at != NULL && field < 50; field++) at = strchr(at + 1, ' ');
    if (at == NULL || sscanf(at, " %" SCNuPTR " %" SCNuPTR, start, end) != 2) return sm_os_note("reading /proc/self/stat", ENODATA, 0);
    return 0;
}
