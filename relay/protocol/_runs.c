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

/* Frames that go on together. */
typedef struct {
    const unsigned char *end; /* behind the last of them */
    Py_ssize_t frames, size, largest, wire_bytes;
    uint32_t stream;
} run_t;

/* How far the run at `begin` goes: nowhere, with no frames, if there is none. */
static run_t measure_run(const unsigned char *begin, const unsigned char *end, uint64_t max_message, Py_ssize_t max_run) {
    run_t run = {begin, 0, 0, 0, 0, 0};
    frame_t frame;
    while (read_frame(&frame, run.end, end, max_message)) {
        Py_ssize_t length = (Py_ssize_t)frame.length, on_wire = (Py_ssize_t)frame.header + length;
        if (run.frames && (frame.stream != run.stream || on_wire > max_run - run.wire_bytes))
            break;
        run.stream = frame.stream;
        run.frames++;
        run.size += length;
        run.largest = length > run.largest ? length : run.largest;
        run.wire_bytes += on_wire;
        run.end += on_wire + KEY;
    }
    return run;
}

/* Its frames as they go on, in a piece of exactly their size. */
static PyObject *write_run(const run_t *run, const unsigned char *next, const unsigned char *end, uint64_t max_message) {
    PyObject *wire = PyBytes_FromStringAndSize(NULL, run->wire_bytes);
    unsigned char *to = wire ? (unsigned char *)PyBytes_AsString(wire) : NULL;
    frame_t frame;
    if (!to) {
        Py_XDECREF(wire);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < run->frames; i++) {
        read_frame(&frame, next, end, max_message); /* which it did before */
        const unsigned char *key = next + frame.header;
        memcpy(to, next, frame.header);
        to[1] &= 0x7f;
        unmask(to + frame.header, key + KEY, (size_t)frame.length, key);
        to += frame.header + frame.length;
        next = key + KEY + frame.length;
    }
    return wire;
}

/* `run_type`, which is a named tuple, made of its fields in one tuple. */
static PyObject *make_run(PyTypeObject *run_type, const run_t *run, PyObject *wire) {
    newfunc make = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    if (!wire)
        return NULL;
    PyObject *arguments = Py_BuildValue("((knnnN))", (unsigned long)run->stream, run->frames, run->size, run->largest, wire);
    PyObject *made = arguments ? make(run_type, arguments, NULL) : NULL;
    Py_XDECREF(arguments);
    return made;
}

static PyObject *find(PyObject *module, PyObject *arguments) {
    (void)module;
    PyTypeObject *run_type;
    Py_buffer data;
    Py_ssize_t max_run, position, max_message;
    if (!PyArg_ParseTuple(arguments, "O!ny*nn", &PyType_Type, &run_type, &max_run, &data, &position, &max_message))
        return NULL;
    PyObject *runs = NULL;
    const unsigned char *begin = data.buf, *end = begin + data.len, *next = begin;
    if (!PyType_IsSubtype(run_type, &PyTuple_Type))
        PyErr_SetString(PyExc_TypeError, "runs are tuples");
    else if (position < 0 || position > data.len || max_message < 0)
        PyErr_SetString(PyExc_ValueError, "no such position or limit");
    else {
        next += position;
        runs = PyList_New(0);
    }
    while (runs) {
        run_t run = measure_run(next, end, (uint64_t)max_message, max_run);
        if (!run.frames)
            break;
        PyObject *made = make_run(run_type, &run, write_run(&run, next, end, (uint64_t)max_message));
        if (!made || PyList_Append(runs, made) < 0)
            Py_CLEAR(runs);
        Py_XDECREF(made);
        next = run.end;
    }
    PyBuffer_Release(&data);
    return runs ? Py_BuildValue("Nn", runs, (Py_ssize_t)(next - begin)) : NULL;
}

static PyMethodDef methods[] = {
    {"find", find, METH_VARARGS,
     "find(run_type, max_run, data, position, max_message): the runs from a position on, and where they end."},
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
