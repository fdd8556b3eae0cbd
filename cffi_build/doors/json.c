/* json.c: one string out of a JSON text, which is read where it lies.
 *
 * The whole text is checked, so that a file cut short or with two fields of one
 * name is an error and not a guess.  Nothing is kept: the string's place is
 * found first, and its bytes are written once.
 */
#include <string.h>

#include "doors.h"

#define MOST_DEPTH 64
#define OFF_PATH SIZE_MAX

struct parser {
    const uint8_t *at, *end;
    const struct sm_token *tokens;
    size_t count;
    const uint8_t *found;
    size_t length;
    enum sm_door door;    /* what is wrong with the text */
    enum sm_door outcome; /* what became of the pointer */
};

static bool fail(struct parser *parser, enum sm_door door) {
    parser->door = door;
    return false;
}

static void skip_space(struct parser *parser) {
    while (parser->at < parser->end && strchr(" \t\n\r", *parser->at) != NULL && *parser->at != '\0') parser->at++;
}

static bool take(struct parser *parser, uint8_t byte) {
    if (parser->at == parser->end || *parser->at != byte) return false;
    parser->at++;
    return true;
}

/* -- strings -- */

static bool hex4(const uint8_t **at, const uint8_t *end, uint32_t *out) {
    if (end - *at < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *(*at)++, letter = byte | 0x20;
        if (byte >= '0' && byte <= '9') *out = *out << 4 | (uint32_t)(byte - '0');
        else if (letter >= 'a' && letter <= 'f') *out = *out << 4 | (uint32_t)(letter - 'a' + 10);
        else return false;
    }
    return true;
}

static int encode(uint8_t out[4], uint32_t point) {
    if (point < 0x80) return out[0] = (uint8_t)point, 1;
    if (point < 0x800) return out[0] = (uint8_t)(0xc0 | point >> 6), out[1] = (uint8_t)(0x80 | (point & 0x3f)), 2;
    int length = point < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, point >>= 6) out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)((length == 3 ? 0xe0 : 0xf0) | point);
    return length;
}

/* \uXXXX, or two of them for a point past 0xffff. */
static int escaped_point(const uint8_t **at, const uint8_t *end, uint8_t out[4]) {
    uint32_t point, low;
    if (!hex4(at, end, &point) || (point >= 0xdc00 && point < 0xe000)) return -1;
    if (point >= 0xd800 && point < 0xdc00) {
        if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return -1;
        *at += 2;
        if (!hex4(at, end, &low) || low < 0xdc00 || low >= 0xe000) return -1;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    return encode(out, point);
}

static int escape(const uint8_t **at, const uint8_t *end, uint8_t out[4]) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (*at == end) return -1;
    uint8_t byte = *(*at)++;
    if (byte == 'u') return escaped_point(at, end, out);
    const char *name = byte == '\0' ? NULL : strchr(names, byte);
    if (name == NULL) return -1;
    out[0] = (uint8_t)values[name - names];
    return 1;
}

/* A sequence of UTF-8 (RFC 3629) whose first byte was read. */
static int sequence(const uint8_t **at, const uint8_t *end, uint8_t first, uint8_t out[4]) {
    int length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length == 0 || end - *at < length - 1) return -1;
    out[0] = first;
    for (int i = 1; i < length; i++) {
        out[i] = *(*at)++;
        if ((out[i] & 0xc0) != 0x80) return -1;
    }
    bool bad = (first == 0xe0 && out[1] < 0xa0) || (first == 0xed && out[1] > 0x9f) || (first == 0xf0 && out[1] < 0x90) ||
               (first == 0xf4 && out[1] > 0x8f);
    return bad ? -1 : length;
}

/* The bytes of one character of a string; 0 at its closing quote, -1: not JSON. */
static int character(const uint8_t **at, const uint8_t *end, uint8_t out[4]) {
    if (*at == end) return -1;
    uint8_t byte = *(*at)++;
    if (byte == '"') return 0;
    if (byte < 0x20) return -1;
    return byte == '\\' ? escape(at, end, out) : sequence(at, end, byte, out);
}

/* A string behind its opening quote; *length without escapes. *same: whether it is the token. */
static bool string(struct parser *parser, size_t *length, const struct sm_token *token, bool *same) {
    uint8_t bytes[4];
    int count;
    *length = 0;
    *same = token != NULL;
    while ((count = character(&parser->at, parser->end, bytes)) > 0) {
        *same = *same && token->length - *length >= (size_t)count && memcmp(token->data + *length, bytes, (size_t)count) == 0;
        *length += (size_t)count;
    }
    *same = *same && *length == token->length;
    return count == 0 || fail(parser, SM_DOOR_NOT_JSON);
}

void sm_json_decode(uint8_t *out, const uint8_t *found) {
    uint8_t bytes[4];
    int count;
    while ((count = character(&found, found + SIZE_MAX / 4, bytes)) > 0) { /* it was checked: a quote ends it */
        memcpy(out, bytes, (size_t)count);
        out += count;
    }
}

/* -- the other values -- */

static bool digits(struct parser *parser) {
    const uint8_t *start = parser->at;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') parser->at++;
    return parser->at > start;
}

static bool number(struct parser *parser) {
    take(parser, '-');
    if (!take(parser, '0') && !digits(parser)) return fail(parser, SM_DOOR_NOT_JSON);
    if (take(parser, '.') && !digits(parser)) return fail(parser, SM_DOOR_NOT_JSON);
    if (take(parser, 'e') || take(parser, 'E')) {
        if (!take(parser, '+')) take(parser, '-');
        if (!digits(parser)) return fail(parser, SM_DOOR_NOT_JSON);
    }
    return true;
}

static bool word(struct parser *parser, const char *text) {
    size_t length = strlen(text);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, text, length) != 0) {
        return fail(parser, SM_DOOR_NOT_JSON);
    }
    parser->at += length;
    return true;
}

/* -- structure -- */

static bool value(struct parser *parser, size_t level, unsigned depth);

static const struct sm_token *token_at(const struct parser *parser, size_t level) {
    return level < parser->count ? &parser->tokens[level] : NULL; /* OFF_PATH is larger than any count */
}

static bool member(struct parser *parser, size_t level, unsigned depth, bool *seen) {
    size_t length;
    bool same;
    skip_space(parser);
    if (!take(parser, '"')) return fail(parser, SM_DOOR_NOT_JSON);
    if (!string(parser, &length, token_at(parser, level), &same)) return false;
    if (same && *seen) parser->outcome = SM_DOOR_TWICE;
    bool follow = same && !*seen;
    *seen = *seen || same;
    skip_space(parser);
    if (!take(parser, ':')) return fail(parser, SM_DOOR_NOT_JSON);
    return value(parser, follow ? level + 1 : OFF_PATH, depth);
}

static bool object(struct parser *parser, size_t level, unsigned depth) {
    bool seen = false;
    skip_space(parser);
    if (take(parser, '}')) return true;
    do {
        if (!member(parser, level, depth, &seen)) return false;
        skip_space(parser);
    } while (take(parser, ','));
    return take(parser, '}') || fail(parser, SM_DOOR_NOT_JSON);
}

/* Whether a token is the decimal of an index, without leading zeros. */
static bool is_index(const struct sm_token *token, size_t index) {
    size_t number_read = 0;
    if (token == NULL || token->length == 0 || token->length > 9 || (token->length > 1 && token->data[0] == '0')) return false;
    for (size_t i = 0; i < token->length; i++) {
        if (token->data[i] < '0' || token->data[i] > '9') return false;
        number_read = number_read * 10 + (size_t)(token->data[i] - '0');
    }
    return number_read == index;
}

static bool array(struct parser *parser, size_t level, unsigned depth) {
    size_t index = 0;
    skip_space(parser);
    if (take(parser, ']')) return true;
    do {
        bool follow = is_index(token_at(parser, level), index++);
        if (!value(parser, follow ? level + 1 : OFF_PATH, depth)) return false;
        skip_space(parser);
    } while (take(parser, ','));
    return take(parser, ']') || fail(parser, SM_DOOR_NOT_JSON);
}

static bool value(struct parser *parser, size_t level, unsigned depth) {
    size_t length;
    bool same;
    skip_space(parser);
    bool is_target = level == parser->count;
    if (take(parser, '"')) {
        const uint8_t *start = parser->at;
        if (!string(parser, &length, NULL, &same)) return false;
        if (is_target && parser->outcome == SM_DOOR_NO_FIELD) {
            parser->outcome = length > 0 ? SM_DOOR_OK : SM_DOOR_EMPTY;
            parser->found = start, parser->length = length;
        }
        return true;
    }
    if (is_target && parser->outcome == SM_DOOR_NO_FIELD) parser->outcome = SM_DOOR_NOT_STRING;
    if (parser->at < parser->end && (*parser->at == '{' || *parser->at == '[')) {
        if (depth == MOST_DEPTH) return fail(parser, SM_DOOR_DEEP_JSON);
        return *parser->at++ == '{' ? object(parser, level, depth + 1) : array(parser, level, depth + 1);
    }
    if (parser->at < parser->end && *parser->at == 't') return word(parser, "true");
    if (parser->at < parser->end && *parser->at == 'f') return word(parser, "false");
    if (parser->at < parser->end && *parser->at == 'n') return word(parser, "null");
    return number(parser);
}

enum sm_door sm_json_find(const uint8_t **found, size_t *length, size_t *where, const uint8_t *text, size_t text_length,
                          const struct sm_token *tokens, size_t count) {
    struct parser parser = {.at = text, .end = text + text_length, .tokens = tokens, .count = count,
                            .outcome = SM_DOOR_NO_FIELD};
    bool good = value(&parser, 0, 0);
    if (good) skip_space(&parser);
    if (good && parser.at != parser.end) good = fail(&parser, SM_DOOR_NOT_JSON);
    *where = (size_t)(parser.at - text);
    if (!good) return parser.door;
    *found = parser.found, *length = parser.length;
    return parser.outcome;
}
