/* core.cdef.h: the whole surface between Python and C, in the order of
 * core/securemem.h, which explains it.  Secrets themselves do not pass here:
 * they are objects of the second module in the shared object (types/). */

enum sm_status {
    SM_OK, SM_BAD_SIZE, SM_FORKED, SM_WIPED, SM_EXPORTED, SM_FROZEN, SM_CLOSED, SM_FULL, SM_CONFIGURED,
    SM_LOCK_LIMIT, SM_LOCK_FAILED, SM_NO_MEMORY, SM_REFUSED, SM_NO_RANDOM, SM_NO_BACKEND, SM_BAD_SOURCE,
    SM_UNMAPPED, SM_MAPPINGS, SM_LOCK_LOST, SM_NO_SMAPS, SM_NO_STACK,
    SM_HOLDS_SECRETS, ...
};
enum sm_at_rest { SM_AT_REST_NOACCESS, SM_AT_REST_READWRITE, ... };
enum sm_lock { SM_LOCK_REQUIRE, SM_LOCK_WARN, ... };
enum sm_backend { SM_BACKEND_MLOCK, SM_BACKEND_MEMFD_SECRET, ... };
enum sm_fork { SM_FORK_EXCLUDE, SM_FORK_INHERIT, ... };

enum sm_stack_bounds { SM_STACK_UNKNOWN, SM_STACK_ESTIMATED, SM_STACK_KNOWN, ... };

struct sm_policy { int at_rest; int lock; int backend; size_t max_bytes; int fork; };
struct sm_failure { const char *call; int error; size_t wanted; size_t limit; size_t used; bool of_user; };
struct sm_statistics {
    size_t live_secrets; size_t live_bytes; size_t page_bytes; size_t locked_bytes; size_t runs; size_t mappings;
    size_t open_windows; size_t failed_closes; size_t stuck_pages; size_t pending_wipes;
    size_t inherited_bytes; size_t lost_secrets;
};
typedef struct sm_arena sm_arena;

const struct sm_failure *sm_failure_get(void);

enum sm_status sm_arena_default(sm_arena **out);
enum sm_status sm_arena_configure(const struct sm_policy *policy);
enum sm_status sm_arena_close(sm_arena *arena, size_t *waiting);
enum sm_status sm_arena_statistics(sm_arena *arena, struct sm_statistics *out);
enum sm_status sm_arena_fits(sm_arena *arena, size_t *out, size_t length, size_t lockable);

size_t sm_secret_purge(void);

enum sm_status sm_page_undo(const void *address, size_t length);
enum sm_status sm_page_is_locked(bool *out, const void *address, size_t length);

struct sm_unlocking { size_t unlocked_bytes; size_t gap_bytes; uint64_t gap_nanoseconds; };
enum sm_status sm_lock_all(bool current, bool future, bool on_fault);
enum sm_status sm_unlock_all(struct sm_unlocking *out, bool allow_gap);
enum sm_status sm_stack_reserve(size_t length);

struct sm_verification {
    size_t secret_bytes; size_t lock_bytes; size_t repaired_secret_bytes; size_t repaired_lock_bytes;
    size_t swapped_bytes; size_t gone_bytes; size_t unlocked_bytes;
};
enum sm_status sm_verify(struct sm_verification *out);

bool sm_lock_is_unlimited(void);
bool sm_locked_bytes(size_t *out);
enum sm_stack_bounds sm_process_stack_bounds(void);

enum sm_status sm_process_set_dumpable(bool dumpable);
enum sm_status sm_process_dumpable(int *out);
enum sm_status sm_process_set_merging(bool merging);
enum sm_status sm_process_merging(bool *out);
enum sm_status sm_process_peek(uint8_t *out, uintptr_t address, size_t length);
enum sm_status sm_process_try_secret_memory(bool *of_user);

/* scan/: for the scanner */
#define SM_PATTERNS_HEAD ...
struct sm_patterns { ...; };
struct sm_patterns_hit { size_t at; size_t pattern; };
void sm_patterns_prepare(struct sm_patterns *out, const uint8_t *const *patterns, const size_t *lengths, size_t count);
size_t sm_patterns_find(const struct sm_patterns *search, struct sm_patterns_hit *out, size_t room, size_t *next,
                      const uint8_t *data, size_t start, size_t end, size_t length);

/* heap/: the crypto heap */
struct sm_units_counts {
    size_t budget; size_t locked; size_t locked_used; size_t unlocked; size_t unlocked_peak; size_t refusals; bool lost;
};
struct sm_heap_statistics {
    struct sm_units_counts units; size_t live_blocks; size_t live_bytes; size_t overflow;
};
struct sm_entries_counts { size_t outside; };
struct sm_python_counts { size_t live; size_t refused; };
enum sm_slots_answer {
    SM_SLOTS_OK, SM_SLOTS_NOT_LOADED, SM_SLOTS_STATIC, SM_SLOTS_FORMAT, SM_SLOTS_MISSING, SM_SLOTS_TAKEN,
    SM_SLOTS_LIBRARY, SM_SLOTS_SEALED, SM_SLOTS_FULL, ...
};

enum sm_status sm_heap_start(size_t budget);
void sm_heap_serve(bool serving);
bool sm_heap_is_serving(void);
void sm_heap_lock_large(bool locked);
void sm_heap_count(struct sm_heap_statistics *out);
bool sm_heap_is_locked(void);
enum sm_status sm_units_lock_some(void);

#define SM_ENTRIES ...
const char *sm_entries_name(size_t entry);
void sm_scrub_points_set(size_t depth);
void sm_entries_count(struct sm_entries_counts *out);

enum sm_slots_answer sm_slots_plan(const char *path, const char *symbol);
void sm_slots_forget_plan(void);
const char *sm_slots_name(void);
size_t sm_slots_of(size_t entry);
bool sm_slots_found(size_t entry);
size_t sm_slots_left_writable(void);

bool sm_python_prepare(void);
void sm_python_set_most(size_t bytes);
void sm_python_count(struct sm_python_counts *out);

/* What doors answer: doors/doors.h.  The doors themselves are functions of _types. */
enum sm_door {
    SM_DOOR_OK, SM_DOOR_CORE, SM_DOOR_SYSTEM, SM_DOOR_INTERRUPTED, SM_DOOR_EMPTY, SM_DOOR_LONG, SM_DOOR_ENDED,
    SM_DOOR_TIMEOUT, SM_DOOR_NO_WRITER, SM_DOOR_NOT_HEX, SM_DOOR_ODD_HEX, SM_DOOR_NOT_BASE64, SM_DOOR_BAD_PADDING,
    SM_DOOR_NOT_JSON, SM_DOOR_DEEP_JSON, SM_DOOR_NO_FIELD, SM_DOOR_NOT_STRING, SM_DOOR_TWICE,
    SM_DOOR_DIFFERENT, SM_DOOR_BUSY, SM_DOOR_HANGUP, SM_DOOR_NOT_OURS, SM_DOOR_SHARED,
    SM_DOOR_NOT_HANDED, SM_DOOR_NOT_UNIX, SM_DOOR_ABSENT, ...
};
