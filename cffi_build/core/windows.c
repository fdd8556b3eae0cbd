/* windows.c: page protection as a function of counts.
 *
 * At rest a span of a no-access arena has no access and one of a read-write
 * arena has all.  A reader adds read access, a writer write access; a frozen
 * secret takes write access away from a read-write span while nobody writes to
 * a neighbour.  mprotect is called only when the answer changes.
 *
 * A span without a secret is zero and has nothing to hide, not even a canary.
 * It keeps whatever access it has, so that the last secret's wiping shuts
 * nothing, and the next secret's writing opens nothing.
 */
#include "windows.h"

#include "failure.h"

static struct sm_window *first_stuck;
static size_t stuck;
static size_t failed;

static enum sm_access wanted(const struct sm_window *window) {
    if (window->writers > 0) return SM_ACCESS_WRITE;
    if (window->at_rest == SM_AT_REST_READWRITE) return window->frozen > 0 ? SM_ACCESS_READ : SM_ACCESS_WRITE;
    if (window->secrets == 0 && window->access != SM_ACCESS_NONE) return window->access;
    return window->readers > 0 ? SM_ACCESS_READ : SM_ACCESS_NONE;
}

int sm_window_settle(struct sm_window *window) {
    enum sm_access access = wanted(window);
    if (access == window->access) return 0;
    int error = sm_os_protect(window->address, window->length, access);
    if (error == 0) window->access = (uint8_t)access;
    return error;
}

enum sm_status sm_window_open(struct sm_window *window, bool writable) {
    uint32_t *count = writable ? &window->writers : &window->readers;
    (*count)++;
    int error = sm_window_settle(window);
    if (error == 0) return SM_OK;
    (*count)--;
    return sm_fail_by_error(error);
}

void sm_window_rest(struct sm_window *window) {
    if (sm_window_settle(window) == 0) return;
    failed++;
    if (window->stuck) return;
    window->stuck = true;
    window->next_stuck = first_stuck;
    first_stuck = window;
    stuck++;
}

void sm_window_close(struct sm_window *window, bool writable) {
    if (first_stuck != NULL) sm_windows_retry();
    uint32_t *count = writable ? &window->writers : &window->readers;
    (*count)--;
    sm_window_rest(window);
}

void sm_windows_retry(void) {
    struct sm_window **link = &first_stuck;
    while (*link != NULL) {
        struct sm_window *window = *link;
        if (sm_window_settle(window) != 0) {
            link = &window->next_stuck;
            continue;
        }
        *link = window->next_stuck;
        window->stuck = false;
        stuck--;
    }
}

void sm_window_forget(struct sm_window *window) {
    for (struct sm_window **link = &first_stuck; *link != NULL; link = &(*link)->next_stuck) {
        if (*link != window) continue;
        *link = window->next_stuck;
        stuck--;
        return;
    }
}

void sm_windows_forget_all(void) {
    first_stuck = NULL;
    stuck = 0;
    failed = 0;
}

size_t sm_windows_failed(void) {
    return failed;
}

size_t sm_windows_stuck(void) {
    return stuck;
}
