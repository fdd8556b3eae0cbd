/* slots.c: the slots that are redirected, and their writing.
 *
 * First all pages are made writable, or none; then the slots are written, what
 * takes blocks back before what hands them out, since other threads call
 * meanwhile; then the pages are read-only again.
 */
#include "slots.h"

#include "entries.h"
#include "failure.h"
#include "os.h"

#define MOST_SLOTS 256

struct slot {
    sm_function **address;
    size_t entry;
    uintptr_t page; /* read-only but for the time of the writing; 0: it is writable */
};

static struct slot slots[MOST_SLOTS]; /* written ones, then planned ones */
static size_t written, planned;
static size_t changed, left_writable;
static const char *name_of_last;

const char *sm_slots_name(void) {
    return name_of_last;
}

void sm_slots_set_name(const char *name) {
    name_of_last = name;
}

bool sm_slots_has(sm_function *const *address) {
    for (size_t i = 0; i < planned; i++) {
        if (slots[i].address == address) return true;
    }
    return false;
}

bool sm_slots_add(sm_function **address, size_t entry, uintptr_t page) {
    if (planned == MOST_SLOTS) return false;
    slots[planned++] = (struct slot){.address = address, .entry = entry, .page = page};
    return true;
}

void sm_slots_forget_plan(void) {
    planned = written;
}

static bool is_first_of_page(size_t first, size_t index) {
    for (size_t i = first; i < index; i++) {
        if (slots[i].page == slots[index].page) return false;
    }
    return slots[index].page != 0;
}

/* How many slots, from the first on, have their page as it is to be. */
static size_t set_access(size_t first, size_t end, enum sm_access access) {
    for (size_t i = first; i < end; i++) {
        if (!is_first_of_page(first, i)) continue;
        if (sm_os_protect((void *)slots[i].page, sm_os_page_size(), access) != 0) return i;
    }
    return end;
}

static bool is_ours(const struct slot *slot) {
    return __atomic_load_n(slot->address, __ATOMIC_RELAXED) == sm_entries[slot->entry].function;
}

static enum sm_slots_answer write_all(size_t first, size_t end) {
    size_t opened = set_access(first, end, SM_ACCESS_WRITE);
    if (opened < end) {
        sm_fail(SM_REFUSED);
        set_access(first, opened, SM_ACCESS_READ);
        return SM_SLOTS_SEALED;
    }
    for (size_t entry = 0; entry < SM_ENTRIES; entry++) {
        for (size_t i = first; i < end; i++) {
            if (slots[i].entry == entry) __atomic_store_n(slots[i].address, sm_entries[entry].function, __ATOMIC_SEQ_CST);
        }
    }
    for (size_t i = first; i < end; i++) {
        if (!is_first_of_page(first, i)) continue;
        if (sm_os_protect((void *)slots[i].page, sm_os_page_size(), SM_ACCESS_READ) != 0) left_writable++;
    }
    return SM_SLOTS_OK;
}

enum sm_slots_answer sm_slots_write(void) {
    enum sm_slots_answer answer = write_all(written, planned);
    if (answer == SM_SLOTS_OK) written = planned;
    else planned = written;
    return answer;
}

size_t sm_slots_verify(void) {
    size_t found = 0;
    for (size_t i = 0; i < written; i++) found += !is_ours(&slots[i]);
    if (found > 0) {
        changed += found;
        write_all(0, written);
    }
    return changed;
}

size_t sm_slots_of(size_t entry) {
    size_t count = 0;
    for (size_t i = 0; i < planned; i++) count += slots[i].entry == entry;
    return count;
}

size_t sm_slots_left_writable(void) {
    return left_writable;
}
