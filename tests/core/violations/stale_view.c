/* stale_view.c: a forked child reads through a view opened before the fork,
 * after it has mapped as much as would fill the hole.  Ends as the child does. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "violation.h"

static int child(volatile uint8_t *data) {
    for (size_t i = 0; i < 2000; i++) {
        void *other = mmap(NULL, 4096 << (i % 4), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(other != MAP_FAILED, "mmap in the child");
    }
    return data[0];
}

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_READWRITE), 32);
    volatile uint8_t *data = opened(slot, true);
    data[0] = 7;
    pid_t pid = fork();
    if (pid == 0) _exit(child(data));
    int status;
    must(waitpid(pid, &status, 0) == pid && data[0] == 7, "the parent keeps its secret");
    if (WIFSIGNALED(status)) raise(WTERMSIG(status));
    return WEXITSTATUS(status);
}
