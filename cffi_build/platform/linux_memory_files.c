/* linux_memory_files.c: files that are only in memory, and their way to another
 * process.
 *
 * Sources: memfd_create(2), fcntl(2) "File Sealing" (F_SEAL_FUTURE_WRITE from
 * Linux 5.1: mappings made before it may still write), unix(7) for SCM_RIGHTS.
 */
#include "os_doors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names that older C libraries do not have. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#define SEALS (F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int outcome(int result, const char *call, size_t wanted) {
    return result == 0 ? 0 : sm_os_note(call, errno, wanted);
}

int sm_os_memory_file(int *out, size_t length) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    long file = syscall(SYS_memfd_create, "secret", flags | MFD_NOEXEC_SEAL);
    if (file < 0 && errno == EINVAL) file = syscall(SYS_memfd_create, "secret", flags);
    if (file < 0) return sm_os_note("memfd_create", errno, length);
    int error = outcome(ftruncate((int)file, (off_t)length), "ftruncate", length);
    if (error == 0) error = outcome(fchmod((int)file, 0400), "fchmod", length);
    if (error != 0) close((int)file);
    else *out = (int)file;
    return error;
}

int sm_os_map_file(void **out, int file, size_t length, bool writable) {
    void *address = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, file, 0);
    if (address == MAP_FAILED) return sm_os_note("mmap", errno, length);
    *out = address;
    return 0;
}

int sm_os_seal(int file) {
    return outcome(fcntl(file, F_ADD_SEALS, SEALS), "fcntl(F_ADD_SEALS)", 0);
}

int sm_os_sealed(bool *out, int file) {
    int seals = fcntl(file, F_GET_SEALS);
    if (seals < 0) return sm_os_note("fcntl(F_GET_SEALS)", errno, 0);
    *out = (seals & SEALS) == SEALS;
    return 0;
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int sm_os_send_file(int socket, int file) {
    char mark = 'S';
    int family;
    socklen_t size = sizeof family;
    if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return sm_os_note("getsockopt(SO_DOMAIN)", errno, 0);
    if (family != AF_UNIX) return sm_os_note("sendmsg(SCM_RIGHTS)", EOPNOTSUPP, 0); /* TCP would ignore it */
    union control control;
    memset(&control, 0, sizeof control);
    struct iovec data = {.iov_base = &mark, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(first), &file, sizeof file);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : sm_os_note("sendmsg(SCM_RIGHTS)", errno, 0);
}

int sm_os_receive_file(int *out, int socket) {
    char mark = 0;
    union control control;
    struct iovec data = {.iov_base = &mark, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (count < 0) return sm_os_note("recvmsg(SCM_RIGHTS)", errno, 0);
    *out = -1; /* the other side ended, or sent something else */
    struct cmsghdr *first = count == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (first == NULL || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_RIGHTS) return 0;
    memcpy(out, CMSG_DATA(first), sizeof *out);
    return 0;
}
