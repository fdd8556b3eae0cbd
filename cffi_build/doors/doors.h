/* doors.h: ways in and out of locked memory that leave no copy beside it.
 *
 * Nothing here knows Python, takes the GIL, or runs code of the program's own.
 * What waits comes back with SM_DOOR_INTERRUPTED when a signal came, and is
 * called again to go on; all it has so far lies in its struct.
 */
#ifndef SM_DOORS_H
#define SM_DOORS_H

#include "securemem.h"

enum sm_door {
    SM_DOOR_OK = 0,
    SM_DOOR_CORE,        /* no slot, or no access to one: sm_growing.status */
    SM_DOOR_SYSTEM,      /* a system call failed: sm_failure_get() */
    SM_DOOR_INTERRUPTED, /* by a signal, whose handler is to run */
    SM_DOOR_EMPTY,       /* there was nothing */
    SM_DOOR_LONG,        /* more than the limit */
    SM_DOOR_ENDED,       /* the other side ended before all had come */
    SM_DOOR_TIMEOUT,
    SM_DOOR_NO_WRITER,   /* a FIFO that nobody has open for writing */
    SM_DOOR_NOT_HEX,
    SM_DOOR_ODD_HEX,
    SM_DOOR_NOT_BASE64,
    SM_DOOR_BAD_PADDING,
    SM_DOOR_NOT_JSON,
    SM_DOOR_DEEP_JSON,
    SM_DOOR_NO_FIELD,
    SM_DOOR_NOT_STRING,  /* the field is another thing than a string */
    SM_DOOR_TWICE,       /* two fields of that name */
    SM_DOOR_DIFFERENT,   /* the two entries */
    SM_DOOR_BUSY,        /* another prompt is under way */
    SM_DOOR_HANGUP,      /* the terminal went away */
    SM_DOOR_NOT_OURS,    /* a file that another user owns */
    SM_DOOR_SHARED,      /* a file that others may read or write */
    SM_DOOR_NOT_HANDED,  /* what came is no descriptor of a sealed file in memory */
    SM_DOOR_NOT_UNIX,    /* no socket that descriptors pass through */
    SM_DOOR_ABSENT,      /* no such environment variable */
};

/* -- growing.c: bytes of a length not known before -- */

/* A slot that is exchanged for a larger one as bytes come.  The old one is wiped
 * when they have moved.  A window on it is open only between sm_growing_open and
 * sm_growing_close. */
struct sm_growing {
    sm_arena *arena;
    size_t limit; /* most bytes that are wanted */
    sm_slot *slot; /* NULL: none yet */
    uint8_t *data; /* NULL: no window */
    size_t length;
    size_t capacity;
    enum sm_status status; /* why SM_DOOR_CORE */
};

/* Room for at least one byte more, in a window; capacity - length says how much.
 * SM_DOOR_LONG past the limit. */
enum sm_door sm_growing_open(struct sm_growing *growing, size_t expected);
void sm_growing_close(struct sm_growing *growing);
/* Appends bytes that lie in locked memory. */
enum sm_door sm_growing_append(struct sm_growing *growing, const uint8_t *data, size_t length);
/* Appends the bytes of another one, which keeps them. */
enum sm_door sm_growing_move(struct sm_growing *growing, const struct sm_growing *from);
/* Gives out a slot of exactly the length; the struct is empty afterwards. */
enum sm_door sm_growing_finish(struct sm_growing *growing, sm_slot **out);
/* Forgets all bytes from `length` on, and zeroes them. */
enum sm_door sm_growing_truncate(struct sm_growing *growing, size_t length);
/* Wipes all; may be called at any time, and again. */
void sm_growing_drop(struct sm_growing *growing);

/* -- input.c, output.c -- */

struct sm_input {
    struct sm_growing bytes;
    int file;
    size_t expected;  /* bytes, if known; 0: not */
    bool is_opened;   /* by sm_os_open_input, so that a read does not wait */
    bool is_waitable; /* a read could wait: it is waited for before */
    bool is_pipe;
    int milliseconds; /* most to wait for the next byte; -1: for ever */
};

/* Learns what kind of file it is, and how long. */
enum sm_door sm_input_start(struct sm_input *input);
/* Reads up to the end of the file. */
enum sm_door sm_input_read_all(struct sm_input *input);
/* Reads until `wanted` bytes are there. */
enum sm_door sm_input_read_exactly(struct sm_input *input, size_t wanted);
/* Writes length bytes; *done counts them from call to call. */
enum sm_door sm_output_write(size_t *done, int file, const uint8_t *data, size_t length);

/* -- environment.c -- */

/* Reads the value of a variable; SM_DOOR_ABSENT. */
enum sm_door sm_environment_read(struct sm_growing *growing, const char *name);
/* Unsets it, and zeroes its value wherever the C library and the kernel's
 * block (/proc/PID/environ) have it; how many values were zeroed. */
size_t sm_environment_scrub(const char *name);

/* -- generate.c -- */

/* out: count bytes of the alphabet's size >= 2, each with the same probability. */
enum sm_door sm_generate_password(uint8_t *out, size_t count, struct sm_growing *scratch, const uint8_t *alphabet,
                                  size_t size);
/* Appends count of the table's words, with the separator between.  The table has
 * size >= 2 words of width bytes, shorter ones with zeros behind them. */
enum sm_door sm_generate_passphrase(struct sm_growing *out, struct sm_growing *scratch, size_t count,
                                    const uint8_t *table, size_t size, size_t width, const uint8_t *separator,
                                    size_t separator_length);

/* -- prompt.c -- */

struct sm_prompt {
    struct sm_growing bytes;
    const uint8_t *text; /* to be shown */
    size_t text_length;
    int file;   /* where the characters come from; -1: not begun */
    int output; /* where the text goes; -1: nowhere */
    bool is_terminal;
    bool is_opened; /* file is ours to close */
    bool is_too_long;
    uint8_t erase, kill, erase_word, end; /* keys; 0: none */
};

/* Finds the terminal, stops its echo and shows the text.  Without a terminal it
 * takes standard input as it is. */
enum sm_door sm_prompt_begin(struct sm_prompt *prompt);
/* Reads a line; the end of it is not kept. */
enum sm_door sm_prompt_read(struct sm_prompt *prompt);
/* Gives the terminal back; may be called at any time, and again.  Wipes nothing. */
void sm_prompt_end(struct sm_prompt *prompt);

/* -- memory_file.c -- */

struct sm_memory_file {
    int file;     /* -1: ended */
    uint8_t *map; /* ours, writable */
    size_t length;
    uint64_t generation;
    enum sm_status status; /* why SM_DOOR_CORE */
};

/* A locked and sealed file with these bytes; nothing is left of it where it fails. */
enum sm_door sm_memory_file_make(struct sm_memory_file *made, const uint8_t *data, size_t length);
/* Wipes it, for all who have it open, and closes it; may be called again.  In a
 * forked child it is closed only. */
void sm_memory_file_end(struct sm_memory_file *made);
/* Reads such a file, made by another process. */
enum sm_door sm_memory_file_take(struct sm_growing *growing, int file);

/* -- hand_over.c -- */

struct sm_hand_over {
    int socket;
    int milliseconds;
    struct sm_memory_file file;
    bool is_sent;
};
/* Sends the file and waits for the answer. */
enum sm_door sm_hand_over(struct sm_hand_over *state);

struct sm_take_over {
    int socket;
    int milliseconds;
    struct sm_growing bytes;
    bool is_taken;
};
/* Receives a file, reads it, and answers. */
enum sm_door sm_take_over(struct sm_take_over *state);

/* -- json.c -- */

struct sm_token {
    const uint8_t *data; /* one part of a JSON pointer, unescaped */
    size_t length;
};

/* Checks a whole JSON text (RFC 8259) and finds the string that a JSON pointer
 * (RFC 6901) names; *found begins after its opening quote. *length is that of its
 * bytes without escapes. *where is the place of the fault, if there is one. */
enum sm_door sm_json_find(const uint8_t **found, size_t *length, size_t *where, const uint8_t *text, size_t text_length,
                          const struct sm_token *tokens, size_t count);
/* Writes the bytes of a string that sm_json_find found. */
void sm_json_decode(uint8_t *out, const uint8_t *found);

#endif
