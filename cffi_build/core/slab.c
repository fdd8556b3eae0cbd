/* slab.c: slots in pages.
 *
 * A span holds per_span slots of slot_size bytes, each with room for a canary
 * behind it.  The canary is written when its slot is first opened for writing
 * and zeroed with the secret: a span without a secret is zero all over, and may
 * then be accessible without showing what a canary looks like.  What was
 * written to a free slot is found before it is used.  A secret shorter than its
 * slot leaves slack, which is zero as the whole slot was when it was taken; so
 * the first byte written too far is seen, not only the first past the slot.
 *
 * A large request is a slab of one slot: the secret ends where the span ends,
 * at the guard page, and the slack lies before it.
 */
#include "slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "wipe.h"

#define CANARY sizeof(uint64_t)

static uint64_t canary_at(const uint8_t *address) {
    return sm_cookie() ^ (uint64_t)(uintptr_t)address;
}

static bool is_large(const struct sm_slab *slab) {
    return slab->size_class < 0;
}

static uint8_t *slot_start(const struct sm_slab *slab, size_t index) {
    return sm_pages_span(&slab->pages, index / slab->per_span) + index % slab->per_span * (slab->slot_size + CANARY);
}

static void place_slots(struct sm_slab *slab) {
    for (size_t i = 0; i < slab->slots; i++) {
        slab->slot[i].slab = slab;
        slab->slot[i].seal = sm_slot_seal(&slab->slot[i]);
        slab->slot[i].data = slot_start(slab, i);
    }
}

static struct sm_slab *leftovers;

static bool try_to_free(struct sm_slab *slab) {
    if (sm_pages_unmap(&slab->pages) != 0) return false;
    free(slab->views);
    free(slab->windows);
    free(slab);
    return true;
}

const struct sm_slab *sm_slab_retry_leftovers(void) {
    struct sm_slab **link = &leftovers;
    while (*link != NULL) {
        struct sm_slab *slab = *link;
        struct sm_slab *next = slab->next;
        if (try_to_free(slab)) *link = next;
        else link = &slab->next;
    }
    return leftovers;
}

void sm_slab_forget_leftovers(void) {
    leftovers = NULL;
}

enum sm_status sm_slab_create(struct sm_slab **out, const struct sm_layout *layout, size_t slot_size, int at_rest) {
    bool large = slot_size > SM_SLAB_MAX;
    size_t per_span = large ? 1 : layout->span_length / (slot_size + CANARY);
    size_t slots = per_span * layout->spans;
    size_t bytes = sizeof(struct sm_slab) + slots * sizeof(struct sm_slot);
    struct sm_slab *slab = calloc(1, bytes);
    struct sm_window *windows = calloc(layout->spans, sizeof *windows);
    struct sm_view **views = layout->inherited ? calloc(slots, sizeof *views) : NULL;
    if (slab == NULL || windows == NULL || (layout->inherited && views == NULL)) {
        free(slab);
        free(windows);
        free(views);
        return sm_fail_in(SM_NO_MEMORY, "calloc", ENOMEM, bytes);
    }
    slab->generation = sm_generation();
    slab->windows = windows;
    slab->views = views;
    slab->slots = slots;
    slab->per_span = per_span;
    slab->slot_size = slot_size;
    slab->size_class = large ? -1 : 0;
    while ((size_t)1 << slab->step_shift < sm_pages_step(layout)) slab->step_shift++;
    sm_slab_retry_leftovers();
    enum sm_status status = sm_pages_map(&slab->pages, layout);
    if (status != SM_OK) {
        sm_slab_destroy(slab);
        return status;
    }
    place_slots(slab);
    for (size_t i = 0; i < layout->spans; i++) {
        windows[i] = (struct sm_window){.address = sm_pages_span(&slab->pages, i),
                                        .length = layout->span_length,
                                        .at_rest = (uint8_t)at_rest,
                                        .access = SM_ACCESS_WRITE};
    }
    *out = slab;
    return SM_OK;
}

void sm_slab_destroy(struct sm_slab *slab) {
    for (size_t i = 0; i < slab->pages.layout.spans; i++) sm_window_forget(&slab->windows[i]);
    if (try_to_free(slab)) return;
    slab->next = leftovers;
    leftovers = slab;
}

struct sm_slot *sm_slab_pop(struct sm_slab *slab, size_t length) {
    struct sm_slot *slot = slab->free;
    if (slot != NULL) {
        slab->free = slot->next;
    } else if (slab->untouched < slab->slots) {
        slot = &slab->slot[slab->untouched++];
    } else {
        return NULL;
    }
    slot->state = SM_SLOT_LIVE;
    slot->length = length;
    if (is_large(slab)) slot->data = sm_pages_span(&slab->pages, 0) + slab->pages.layout.span_length - length;
    slot->frozen = false;
    slot->dirty = false;
    slot->abandoned = false;
    slab->live++;
    return slot;
}

/* What is left of the span in which untouched slots begin is freed, so that they begin with a span.  A page that is
 * open for writing will do as it is: for as long as it is, a life there asks the kernel for nothing. */
bool sm_slab_prefer_empty(struct sm_slab *slab) {
    size_t rest = (slab->slots - slab->untouched) % slab->per_span;
    const struct sm_slot *next = slab->free != NULL ? slab->free : &slab->slot[slab->untouched];
    if (sm_slot_window(next)->secrets == 0 || sm_slot_window(next)->writers > 0) return true;
    if (slab->slots - slab->untouched - rest == 0) return false;
    for (; rest > 0; rest--) {
        struct sm_slot *slot = &slab->slot[slab->untouched++];
        slot->next = slab->free;
        slab->free = slot;
    }
    struct sm_slot *first = &slab->slot[slab->untouched++];
    first->next = slab->free;
    slab->free = first;
    return true;
}

void sm_slab_push(struct sm_slab *slab, struct sm_slot *slot) {
    slot->state = SM_SLOT_FREE;
    slot->next = slab->free;
    slab->free = slot;
    slab->live--;
}

/* -- edges, while the window is open -- */

/* From the first byte that no neighbour may have to the last: where a slot is large, its whole span. */
static const uint8_t *whole(const struct sm_slot *slot, size_t *length) {
    const struct sm_slab *slab = slot->slab;
    *length = is_large(slab) ? slab->pages.layout.span_length : slab->slot_size + CANARY;
    return is_large(slab) ? sm_pages_span(&slab->pages, 0) : slot->data;
}

/* Large runs of read-write arenas are not looked through: free or in use, they
 * are open to stray writes alike, and it would cost as much as using them. */
void sm_slot_check_zero(const struct sm_slot *slot) {
    if (is_large(slot->slab) && sm_slot_window(slot)->at_rest == SM_AT_REST_READWRITE) return;
    size_t length;
    const uint8_t *start = whole(slot, &length);
    if (!sm_is_zero(start, length)) sm_os_abort("free slot overwritten: a write went where no secret was");
}

void sm_slot_prepare(struct sm_slot *slot) {
    sm_slot_check_zero(slot);
    if (is_large(slot->slab)) return;
    uint8_t *address = slot->data + slot->slab->slot_size;
    uint64_t canary = canary_at(address);
    memcpy(address, &canary, CANARY);
}

static void check_canary(const uint8_t *address) {
    uint64_t found;
    memcpy(&found, address, CANARY);
    if (found != canary_at(address)) sm_os_abort("canary overwritten: a write ran past the edge of a secret");
}

static void check_slack(const uint8_t *start, size_t length) {
    if (!sm_is_zero(start, length)) sm_os_abort("slack overwritten: a write ran past the edge of a secret");
}

void sm_slot_check_edges(const struct sm_slot *slot) {
    const struct sm_slab *slab = slot->slab;
    const uint8_t *data = slot->data;
    if (!is_large(slab)) {
        check_canary(data + slab->slot_size);
        check_slack(data + slot->length, slab->slot_size - slot->length);
        return;
    }
    const uint8_t *start = sm_pages_span(&slab->pages, 0);
    check_slack(start, (size_t)(data - start));
}

void sm_slot_clear(struct sm_slot *slot) {
    sm_wipe(slot->data, slot->length);
    if (!is_large(slot->slab)) sm_wipe(slot->data + slot->slab->slot_size, CANARY);
}
