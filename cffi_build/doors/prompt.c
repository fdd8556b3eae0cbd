/* prompt.c: a line typed at a terminal, straight into a slot.
 *
 * The terminal's own line editing is off, since its lines end at 4,095 bytes.
 * One byte is read at a time, so that what was typed behind the line is left
 * for whoever reads next.  The slot's page is closed while nothing is typed.
 */
#include <errno.h>

#include "doors.h"
#include "os_doors.h"

#define STANDARD_INPUT 0
#define STANDARD_ERROR 2
/* How often it looks whether signals came to other threads, or the echo back. */
#define TICK 200

static void show(const struct sm_prompt *prompt, const uint8_t *text, size_t length) {
    size_t done = 0;
    while (prompt->output >= 0 && sm_output_write(&done, prompt->output, text, length) == SM_DOOR_INTERRUPTED) {}
}

enum sm_door sm_prompt_begin(struct sm_prompt *prompt) {
    prompt->output = -1;
    prompt->is_opened = sm_os_terminal_open(&prompt->file) == 0;
    if (!prompt->is_opened) prompt->file = STANDARD_INPUT;
    prompt->is_terminal = prompt->is_opened || sm_os_is_terminal(prompt->file);
    if (!prompt->is_terminal) return SM_DOOR_OK;
    struct sm_keys keys;
    int error = sm_os_terminal_begin(&keys, prompt->file);
    if (error != 0) {
        if (prompt->is_opened) (void)sm_os_close(prompt->file);
        prompt->file = -1;
        if (error == EBUSY) return SM_DOOR_BUSY;
        sm_os_note("stopping the terminal's echo", error, 0);
        return error == EIO ? SM_DOOR_HANGUP : SM_DOOR_SYSTEM;
    }
    prompt->erase = keys.erase, prompt->kill = keys.kill, prompt->erase_word = keys.erase_word, prompt->end = keys.end;
    prompt->output = prompt->is_opened ? prompt->file : STANDARD_ERROR;
    show(prompt, prompt->text, prompt->text_length);
    return SM_DOOR_OK;
}

void sm_prompt_end(struct sm_prompt *prompt) {
    sm_growing_close(&prompt->bytes);
    if (prompt->file < 0) return;
    if (prompt->is_terminal) {
        show(prompt, (const uint8_t *)"\n", 1); /* the user's own was not echoed */
        (void)sm_os_terminal_end();
    }
    if (prompt->is_opened) (void)sm_os_close(prompt->file);
    prompt->file = -1;
}

/* -- editing -- */

static bool continues_character(uint8_t byte) {
    return (byte & 0xc0) == 0x80; /* UTF-8 */
}

static size_t without_character(const uint8_t *data, size_t length) {
    if (length == 0) return 0;
    do length--;
    while (length > 0 && continues_character(data[length]));
    return length;
}

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

static size_t without_word(const uint8_t *data, size_t length) {
    while (length > 0 && is_space(data[length - 1])) length--;
    while (length > 0 && !is_space(data[length - 1])) length--;
    return length;
}

static bool is_key(uint8_t byte, uint8_t key) {
    return byte == key && key != 0;
}

enum typed { MORE, LINE, END };

/* What the byte at data[length] does; a byte that is not kept is wiped. */
static enum typed edit(struct sm_prompt *prompt, enum sm_door *door) {
    struct sm_growing *bytes = &prompt->bytes;
    size_t before = bytes->length;
    uint8_t byte = bytes->data[before];
    bytes->length++;
    if (byte == '\n' || (prompt->is_terminal && (byte == '\r' || is_key(byte, prompt->end)))) {
        *door = sm_growing_truncate(bytes, before);
        return byte != '\n' && byte != '\r' && before == 0 && !prompt->is_too_long ? END : LINE;
    }
    if (prompt->is_too_long) {
        *door = sm_growing_truncate(bytes, 0);
    } else if (prompt->is_terminal && (byte == 0x7f || byte == '\b' || is_key(byte, prompt->erase))) {
        *door = sm_growing_truncate(bytes, without_character(bytes->data, before));
    } else if (prompt->is_terminal && is_key(byte, prompt->erase_word)) {
        *door = sm_growing_truncate(bytes, without_word(bytes->data, before));
    } else if (prompt->is_terminal && is_key(byte, prompt->kill)) {
        *door = sm_growing_truncate(bytes, 0);
    }
    return MORE;
}

/* -- reading -- */

static enum sm_door wait_for_byte(struct sm_prompt *prompt) {
    int error = sm_os_wait(prompt->file, false, prompt->is_terminal ? TICK : -1);
    if (error == EINTR) return SM_DOOR_INTERRUPTED;
    if (prompt->is_terminal) {
        bool renewed = false;
        if (sm_os_terminal_renew(&renewed) != 0) return SM_DOOR_HANGUP;
        if (renewed) {
            show(prompt, prompt->text, prompt->text_length);
            return sm_growing_truncate(&prompt->bytes, 0); /* what is seen is an empty line */
        }
    }
    if (error == ETIMEDOUT) return SM_DOOR_INTERRUPTED;
    return error == 0 ? SM_DOOR_OK : SM_DOOR_SYSTEM;
}

static enum sm_door read_byte(struct sm_prompt *prompt, size_t *got) {
    struct sm_growing *bytes = &prompt->bytes;
    enum sm_door door = sm_growing_open(bytes, 0);
    if (door == SM_DOOR_LONG) { /* the rest of the line is not for whoever reads next */
        prompt->is_too_long = true;
        door = sm_growing_truncate(bytes, 0);
    }
    if (door != SM_DOOR_OK) return door;
    int error = sm_os_read(got, prompt->file, bytes->data + bytes->length, 1);
    if (error == EINTR || error == EAGAIN) return SM_DOOR_INTERRUPTED;
    if (error == EIO || (error == 0 && *got == 0 && prompt->is_terminal)) return SM_DOOR_HANGUP;
    return error == 0 ? SM_DOOR_OK : SM_DOOR_SYSTEM;
}

/* Bytes as long as there are some, in one window. */
static enum sm_door read_burst(struct sm_prompt *prompt, enum typed *typed) {
    enum sm_door door = SM_DOOR_OK;
    do {
        size_t got = 0;
        door = read_byte(prompt, &got);
        if (door != SM_DOOR_OK) return door;
        *typed = got == 0 ? (prompt->bytes.length > 0 ? LINE : END) : edit(prompt, &door);
    } while (door == SM_DOOR_OK && *typed == MORE && sm_os_wait(prompt->file, false, 0) == 0);
    return door;
}

enum sm_door sm_prompt_read(struct sm_prompt *prompt) {
    enum typed typed = MORE;
    while (typed == MORE) {
        enum sm_door door = wait_for_byte(prompt);
        if (door == SM_DOOR_OK) door = read_burst(prompt, &typed);
        sm_growing_close(&prompt->bytes);
        if (door != SM_DOOR_OK) return door;
    }
    if (prompt->is_too_long) return SM_DOOR_LONG;
    if (typed == END) return SM_DOOR_ENDED;
    return prompt->bytes.length > 0 ? SM_DOOR_OK : SM_DOOR_EMPTY;
}
