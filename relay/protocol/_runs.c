/* Runs of DATA frames, found and unmasked in one walk: what relay/protocol/runs.py says, in C.

   The bytes come from a stranger. Every read is behind a comparison with `end`, lengths are unsigned 64-bit and
   checked before anything is added to a pointer, and what is not exactly a DATA frame in its usual form ends the
   run: the codec in Python looks at it and says what is wrong. Nothing is kept between calls.

   Built against the limited API of Python 3.11, so one build serves that and every later version. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* One masked WebSocket frame (RFC 6455 section 5.2) and the DATA frame in it (docs/protocol.md section 2). */
typedef struct {
    const unsigned char *start; /* first byte of the WebSocket frame */
    size_t header;              /* bytes before the masking key: 2, 4 or 10 */
    uint64_t length;            /* bytes of the message */
    uint32_t stream;
} frame_t;

enum { KEY = 4, SHORTEST_DATA = 9, LONGEST_HEAD = 12 };

static uint64_t big_endian(const unsigned char *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

static void unmask(unsigned char *to, const unsigned char *from, size_t length, const unsigned char *key) {
    uint64_t key_twice;
    size_t i = 0;
    memcpy(&key_twice, key, KEY);
    memcpy((unsigned char *)&key_twice + KEY, key, KEY);
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, from + i, 8);
        word ^= key_twice;
        memcpy(to + i, &word, 8);
    }
    for (; i < length; i++)
        to[i] = from[i] ^ key[i % KEY];
}

/* True if the bin header behind the stream's id accounts for exactly the rest of the message. */
static int payload_fits(const unsigned char *head, uint64_t length) {
    switch (head[7]) {
    case 0xc4:
        return length == 9 + (uint64_t)head[8];
    case 0xc5:
        return length >= 10 && length == 10 + big_endian(head + 8, 2);
    case 0xc6:
        return length >= 12 && length == 12 + big_endian(head + 8, 4);
    default:
        return 0;
    }
}

/* True if a whole frame with a DATA frame of at most `max_message` bytes begins at `from`. */
static int read_frame(frame_t *frame, const unsigned char *from, const unsigned char *end, uint64_t max_message) {
    size_t there = (size_t)(end - from);
    unsigned char head[LONGEST_HEAD] = {0};
    if (there < 2 || from[0] != 0x82 || !(from[1] & 0x80))
        return 0;
    frame->start = from;
    frame->header = 2;
    frame->length = from[1] & 0x7f;
    if (frame->length == 126) {
        frame->header = 4;
        if (there < frame->header || (frame->length = big_endian(from + 2, 2)) < 126)
            return 0;
    } else if (frame->length == 127) {
        frame->header = 10;
        if (there < frame->header || (frame->length = big_endian(from + 2, 8)) < 0x10000)
            return 0;
    }
    there -= frame->header;
    if (there < KEY || frame->length < SHORTEST_DATA || frame->length > max_message || frame->length > there - KEY)
        return 0;
    const unsigned char *key = from + frame->header;
    unmask(head, key + KEY, frame->length < LONGEST_HEAD ? (size_t)frame->length : LONGEST_HEAD, key);
    frame->stream = (uint32_t)big_endian(head + 3, 4);
    /* As msgpack writes them: an array of 3, the kind, the stream's id in 4 bytes (never 0), the payload. */
    return head[0] == 0x93 && head[1] == 0x03 && head[2] == 0xce && frame->stream && payload_fits(head, frame->length);
}

static PyObject *find(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer data;
    Py_ssize_t position, max_message, max_run;
    if (!PyArg_ParseTuple(arguments, "y*nnn", &data, &position, &max_message, &max_run))
        return NULL;
    if (position < 0 || position > data.len || max_message < 0) {
        PyBuffer_Release(&data);
        PyErr_SetString(PyExc_ValueError, "no such position or limit");
        return NULL;
    }
    const unsigned char *begin = (const unsigned char *)data.buf + position;
    const unsigned char *end = (const unsigned char *)data.buf + data.len;

    /* First how far the run goes, so that its bytes can be written into a piece of exactly their size. */
    const unsigned char *next = begin;
    Py_ssize_t frames = 0, size = 0, largest = 0, wire_bytes = 0;
    uint32_t stream = 0;
    frame_t frame;
    while (read_frame(&frame, next, end, (uint64_t)max_message)) {
        Py_ssize_t length = (Py_ssize_t)frame.length, on_wire = (Py_ssize_t)frame.header + length;
        if (frames && (frame.stream != stream || on_wire > max_run - wire_bytes))
            break;
        stream = frame.stream;
        frames++;
        size += length;
        largest = length > largest ? length : largest;
        wire_bytes += on_wire;
        next += on_wire + KEY;
    }
    if (!frames) {
        PyBuffer_Release(&data);
        Py_RETURN_NONE;
    }

    PyObject *wire = PyBytes_FromStringAndSize(NULL, wire_bytes);
    unsigned char *to = wire ? (unsigned char *)PyBytes_AsString(wire) : NULL;
    if (!to) {
        Py_XDECREF(wire);
        PyBuffer_Release(&data);
        return NULL;
    }
    next = begin;
    for (Py_ssize_t i = 0; i < frames; i++) {
        read_frame(&frame, next, end, (uint64_t)max_message); /* which it did before */
        const unsigned char *key = next + frame.header;
        memcpy(to, next, frame.header);
        to[1] &= 0x7f;
        unmask(to + frame.header, key + KEY, (size_t)frame.length, key);
        to += frame.header + frame.length;
        next = key + KEY + frame.length;
    }
    position += next - begin;
    PyBuffer_Release(&data);
    return Py_BuildValue("(knnnNn)", (unsigned long)stream, frames, size, largest, wire, position);
}

static PyMethodDef methods[] = {
    {"find", find, METH_VARARGS, "The run at a position: (stream, frames, size, largest, wire, end), or None."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_runs",
    .m_doc = "Runs of DATA frames; see relay.protocol.runs.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__runs(void) { return PyModuleDef_Init(&module); }
