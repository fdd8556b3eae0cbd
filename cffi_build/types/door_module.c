/* door_module.c: the doors' functions by name; securemem/_types.pyi has their
 * signatures, and securemem/doors/ tells of them. */
#include "door_types.h"

PyMethodDef door_methods[] = {
    {"install_doors", door_install, METH_O, NULL},
    {"decode_hex", door_decode_hex, METH_VARARGS, NULL},
    {"encode_hex", door_encode_hex, METH_VARARGS, NULL},
    {"decode_base64", door_decode_base64, METH_VARARGS, NULL},
    {"encode_base64", door_encode_base64, METH_VARARGS, NULL},
    {"split", door_split, METH_VARARGS, NULL},
    {"strip", door_strip, METH_VARARGS, NULL},
    {"concat", door_concat, METH_VARARGS, NULL},
    {"read_whole", door_read, METH_VARARGS, NULL},
    {"receive", door_receive, METH_VARARGS, NULL},
    {"read_env", door_read_env, METH_VARARGS, NULL},
    {"write_fd", door_write_fd, METH_VARARGS, NULL},
    {"generate_password", door_generate_password, METH_VARARGS, NULL},
    {"generate_passphrase", door_generate_passphrase, METH_VARARGS, NULL},
    {"prompt", door_prompt, METH_VARARGS, NULL},
    {"memory_file", door_memory_file, METH_O, NULL},
    {"hand_over", door_hand_over, METH_VARARGS, NULL},
    {"take_over", door_take_over, METH_VARARGS, NULL},
    {"with_copy", door_with_copy, METH_VARARGS, NULL},
    {"mask", door_mask, METH_VARARGS, NULL},
    {"read_json", door_read_json, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
