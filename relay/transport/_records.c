/* The server's side of TLS on one socket, many records with one call: what relay/transport/records.py says, in C.

   OpenSSL does all of TLS: handshake, checks, keys, records. Ours is its BIO, the pipe under it. It receives from
   the socket into one buffer as much as there is and hands it to OpenSSL piece by piece; what OpenSSL writes it
   gathers in another, to be sent with one system call. (By itself OpenSSL receives each record's header and body
   with a call each, and sends each record with one.) All connections share the two buffers: between calls a
   connection keeps only what OpenSSL has not taken or the kernel has not, which is rare.

   The bytes come from a stranger, but nothing here looks into them: they are copied, by lengths that the kernel or
   OpenSSL has said. The interpreter's lock is held throughout, so that no two calls use the buffers at once.

   Built against the limited API of Python 3.11, and OpenSSL 1.1.1 or newer. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum {
    RECORD = 16384,                /* bytes of plaintext at most (RFC 8446 section 5.1) */
    RECORD_ON_WIRE = RECORD + 512, /* more than any cipher adds */
    MOST_RECORDS = 9,              /* encrypted before they are sent: two frames of 64 KiB with their headers */
    SPARE = 4096,                  /* what OpenSSL may say by itself behind them: a key update, an alert */
    OUT_BYTES = MOST_RECORDS * RECORD_ON_WIRE + SPARE,
    IN_BYTES = 112 * 1024, /* of one recv; more would not stay in the processor's cache until it is decrypted */
};

/* What a call would have to wait for. */
enum { DONE = 0, READABLE = 1, WRITABLE = 2 };

/* Ciphertext on its way to the kernel, and the plaintext that each part of it stands for. */
typedef struct {
    size_t from, to, capacity;
    int first, last; /* part that the next byte belongs to, and the one behind all */
    struct {
        size_t plain, wire;
    } parts[MOST_RECORDS + 1];
    unsigned char bytes[];
} outgoing_t;

typedef struct {
    PyObject_HEAD
    SSL_CTX *context;
    unsigned int protocols_size; /* of ALPN's list, as it is on the wire */
    unsigned char protocols[64];
} context_t;

typedef struct {
    PyObject_HEAD
    context_t *context;
    SSL *ssl;
    int socket;          /* of this call */
    size_t room;         /* the reader's, of this call */
    int is_kernel_empty; /* this call's last recv brought all there was */
    int is_over;         /* the kernel has said that nothing more comes */
    int error_number;    /* what else the kernel has said of receiving, or 0 */
    int has_failed;      /* TLS has; nothing works any more */
    const char *reason;  /* why, in OpenSSL's words, or NULL */
    unsigned char *received, *kept; /* what OpenSSL reads from: the shared buffer, or else bytes of our own */
    size_t from, to;
    outgoing_t *unsent; /* what earlier calls have left, or NULL */
} session_t;

static unsigned char incoming[IN_BYTES];
static outgoing_t *outgoing; /* empty between calls */
static BIO_METHOD *pipe_method;
static PyObject *ssl_error, *ssl_eof_error;

/* -- the pipe under OpenSSL ----------------------------------------------------------------------------------- */

static void forget_received(session_t *self) {
    free(self->kept);
    self->kept = self->received = NULL;
    self->from = self->to = 0;
}

/* 1 if there is something for OpenSSL to read, 0 if not, -1 if there never will be. */
static int receive(session_t *self) {
    size_t most = self->room > 2 * RECORD ? self->room - RECORD : RECORD;
    ssize_t count;
    if (self->is_over || self->error_number)
        return -1;
    if (self->is_kernel_empty)
        return 0;
    most = most < IN_BYTES ? most : IN_BYTES;
    count = recv(self->socket, incoming, most, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        self->is_kernel_empty = 1;
        return 0;
    }
    if (count <= 0) {
        self->is_over = count == 0;
        self->error_number = count < 0 ? errno : 0;
        return -1;
    }
    self->is_kernel_empty = (size_t)count < most;
    forget_received(self);
    self->received = incoming;
    self->to = (size_t)count;
    return 1;
}

static int pipe_read(BIO *bio, char *to, int size) {
    session_t *self = BIO_get_data(bio);
    size_t count;
    BIO_clear_retry_flags(bio);
    if (self->from == self->to) {
        int is_there = receive(self);
        if (is_there == 0)
            BIO_set_retry_read(bio);
        if (is_there <= 0)
            return self->is_over ? 0 : -1;
    }
    count = self->to - self->from;
    count = size >= 0 && count > (size_t)size ? (size_t)size : count;
    memcpy(to, self->received + self->from, count);
    self->from += count;
    return (int)count;
}

static int pipe_write(BIO *bio, const char *from, int size) {
    session_t *self = BIO_get_data(bio);
    outgoing_t *out = self->unsent ? self->unsent : outgoing;
    BIO_clear_retry_flags(bio);
    if (size < 0 || (size_t)size > out->capacity - out->to) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(out->bytes + out->to, from, (size_t)size);
    out->to += (size_t)size;
    if (out->first == out->last) { /* no plaintext: a handshake, for example */
        out->parts[out->last].plain = out->parts[out->last].wire = 0;
        out->last++;
    }
    out->parts[out->last - 1].wire += (size_t)size;
    return size;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer) {
    session_t *self = BIO_get_data(bio);
    (void)number, (void)pointer;
    if (command == BIO_CTRL_FLUSH) /* done when OpenSSL has returned, for all it wrote */
        return 1;
    if (command == BIO_CTRL_EOF)
        return self->is_over && self->from == self->to;
    return 0;
}

static int pipe_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

/* -- between OpenSSL and the caller ---------------------------------------------------------------------------- */

static outgoing_t *make_outgoing(size_t capacity) {
    outgoing_t *out = malloc(sizeof(outgoing_t) + capacity);
    if (out) {
        out->from = out->to = 0;
        out->first = out->last = 0;
        out->capacity = capacity;
    }
    return out;
}

/* Begins a call. */
static void begin(session_t *self, int socket, size_t room) {
    self->socket = socket;
    self->room = room;
    self->is_kernel_empty = 0;
    outgoing->from = outgoing->to = 0;
    outgoing->first = outgoing->last = 0;
    ERR_clear_error();
}

/* Sends what there is to send, and adds the plaintext that has left with it to `left`: 1 if the kernel takes no
   more for now, 0 if all has gone, -1 with an exception. */
static int flush(session_t *self, size_t *left) {
    outgoing_t *out = self->unsent ? self->unsent : outgoing, *kept;
    ssize_t count = 0;
    size_t sent, rest;
    if (out->from < out->to)
        count = send(self->socket, out->bytes + out->from, out->to - out->from, MSG_NOSIGNAL);
    if (count < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        count = 0;
    }
    sent = (size_t)count;
    out->from += sent;
    while (out->first < out->last && sent >= out->parts[out->first].wire) {
        sent -= out->parts[out->first].wire;
        *left += out->parts[out->first++].plain;
    }
    if (out->first < out->last)
        out->parts[out->first].wire -= sent;
    rest = out->to - out->from;
    if (out == self->unsent) {
        if (rest)
            return 1;
        free(out);
        self->unsent = NULL;
        return 0;
    }
    if (!rest)
        return 0;
    kept = make_outgoing(rest + SPARE);
    if (!kept) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(kept->bytes, out->bytes + out->from, rest);
    kept->to = rest;
    kept->last = out->last - out->first;
    memcpy(kept->parts, out->parts + out->first, (size_t)kept->last * sizeof *out->parts);
    self->unsent = kept;
    return 1;
}

/* Ends a call's receiving: the shared buffer is for others. False with an exception. */
static int keep_received(session_t *self) {
    size_t rest = self->to - self->from;
    unsigned char *kept;
    if (!rest)
        forget_received(self);
    if (self->received != incoming)
        return 1;
    kept = malloc(rest);
    if (!kept) {
        forget_received(self);
        self->has_failed = 1;
        PyErr_NoMemory();
        return 0;
    }
    memcpy(kept, incoming + self->from, rest);
    self->received = self->kept = kept;
    self->from = 0;
    self->to = rest;
    return 1;
}

/* Raises what the connection has failed of. */
static PyObject *raise_failure(session_t *self) {
    PyObject *error;
    if (self->error_number) {
        errno = self->error_number;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (self->is_over)
        error = PyObject_CallFunction(ssl_eof_error, "is", SSL_ERROR_ZERO_RETURN, "the connection was cut off");
    else
        error = PyObject_CallFunction(ssl_error, "is", SSL_ERROR_SSL, self->reason ? self->reason : "TLS failed");
    if (error) {
        PyObject *reason = PyUnicode_FromString(self->reason ? self->reason : "TLS failed");
        if (reason && PyObject_SetAttrString(error, "reason", reason) == 0)
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_XDECREF(reason);
        Py_DECREF(error);
    }
    return NULL;
}

/* What OpenSSL's `result` asks to wait for; -1 if it has failed, which is noted. */
static int wanted(session_t *self, int result) {
    switch (SSL_get_error(self->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return READABLE;
    case SSL_ERROR_WANT_WRITE:
        return WRITABLE;
    default:
        self->has_failed = 1;
        self->reason = ERR_reason_error_string(ERR_peek_last_error());
        ERR_clear_error();
        return -1;
    }
}

/* -- sessions -------------------------------------------------------------------------------------------------- */

static PyObject *session_shake_hands(session_t *self, PyObject *arguments) {
    int socket, result, wants = DONE, is_left;
    size_t left = 0;
    if (!PyArg_ParseTuple(arguments, "i", &socket))
        return NULL;
    begin(self, socket, 0);
    if (self->has_failed)
        return raise_failure(self);
    result = SSL_do_handshake(self->ssl);
    if (result != 1)
        wants = wanted(self, result);
    is_left = flush(self, &left); /* an alert as well */
    if (!keep_received(self))
        return NULL;
    if (wants < 0) {
        PyErr_Clear();
        return raise_failure(self);
    }
    if (is_left < 0)
        return NULL;
    return PyLong_FromLong(is_left ? WRITABLE : wants);
}

static PyObject *session_receive_into(session_t *self, PyObject *arguments) {
    int socket, wants = DONE, is_left;
    size_t left = 0;
    Py_buffer buffer;
    Py_ssize_t filled = 0;
    if (!PyArg_ParseTuple(arguments, "iw*", &socket, &buffer))
        return NULL;
    begin(self, socket, (size_t)buffer.len);
    while (!self->has_failed && filled < buffer.len) {
        Py_ssize_t room = buffer.len - filled;
        int count = SSL_read(self->ssl, (char *)buffer.buf + filled, room < INT_MAX ? (int)room : INT_MAX);
        if (count > 0) {
            filled += count;
            continue;
        }
        if (SSL_get_shutdown(self->ssl) & SSL_RECEIVED_SHUTDOWN)
            break;
        wants = wanted(self, count);
        if (wants > DONE)
            break;
    }
    PyBuffer_Release(&buffer);
    if (!keep_received(self))
        return NULL;
    is_left = outgoing->to ? flush(self, &left) : 0; /* an answer to a key update */
    if (is_left < 0)
        PyErr_Clear(); /* the sender will hear of it */
    if (!filled && self->has_failed)
        return raise_failure(self);
    if (wants <= DONE) /* the buffer is full, or an ending is behind what is in it */
        return Py_BuildValue("(ni)", filled, DONE);
    return filled ? Py_BuildValue("(ni)", filled, wants) : Py_BuildValue("(Oi)", Py_None, wants);
}

/* Where the next plaintext is. */
typedef struct {
    PyObject *chunks;
    Py_ssize_t index, count; /* of the chunk that is held, or that comes next */
    Py_buffer held;
    int is_held;
    size_t offset; /* in it */
} cursor_t;

static void let_go(cursor_t *cursor) {
    if (cursor->is_held)
        PyBuffer_Release(&cursor->held);
    cursor->is_held = 0;
}

/* Holds the chunk that has the next byte: 1, 0 at the end, -1 with an exception. */
static int hold(cursor_t *cursor) {
    for (;;) {
        PyObject *chunk;
        if (cursor->is_held) {
            if (cursor->offset < (size_t)cursor->held.len)
                return 1;
            cursor->offset -= (size_t)cursor->held.len;
            let_go(cursor);
            cursor->index++;
        }
        if (cursor->index >= cursor->count)
            return 0;
        chunk = PyList_GetItem(cursor->chunks, cursor->index);
        if (!chunk || PyObject_GetBuffer(chunk, &cursor->held, PyBUF_SIMPLE) < 0)
            return -1;
        cursor->is_held = 1;
    }
}

/* The next record's plaintext: its size, 0 at the end, -1 with an exception. What does not lie in one chunk is
   put together in `joined`: a record of a few bytes costs both sides nearly as much as a full one. */
static int next_record(cursor_t *cursor, unsigned char *joined, const unsigned char **plaintext) {
    size_t size = 0;
    for (;;) {
        int is_there = hold(cursor);
        size_t rest, part;
        if (is_there < 0)
            return -1;
        if (!is_there)
            break;
        rest = (size_t)cursor->held.len - cursor->offset;
        part = rest < RECORD - size ? rest : RECORD - size;
        *plaintext = (unsigned char *)cursor->held.buf + cursor->offset;
        cursor->offset += part;
        if (!size && (part == RECORD || cursor->index + 1 == cursor->count))
            return (int)part; /* where it lies; the chunk is held until the next call */
        memcpy(joined + size, *plaintext, part);
        size += part;
        if (size == RECORD)
            break;
    }
    *plaintext = joined;
    return (int)size;
}

static PyObject *session_send(session_t *self, PyObject *arguments) {
    static unsigned char joined[RECORD];
    int socket, is_left = 0, size = 1;
    size_t left = 0;
    cursor_t cursor = {0};
    if (!PyArg_ParseTuple(arguments, "iO!", &socket, &PyList_Type, &cursor.chunks))
        return NULL;
    begin(self, socket, 0);
    if (self->has_failed)
        return raise_failure(self);
    cursor.count = PyList_Size(cursor.chunks);
    if (self->unsent) {
        for (int i = self->unsent->first; i < self->unsent->last; i++)
            cursor.offset += self->unsent->parts[i].plain; /* which begins the chunks again */
        is_left = flush(self, &left);
        if (is_left < 0)
            return NULL;
        if (is_left)
            return Py_BuildValue("(ni)", (Py_ssize_t)left, WRITABLE);
    }
    while (size > 0 && !is_left) {
        begin(self, socket, 0);
        while (outgoing->last < MOST_RECORDS) {
            const unsigned char *plaintext;
            int result;
            size = next_record(&cursor, joined, &plaintext);
            if (size <= 0)
                break;
            outgoing->parts[outgoing->last].plain = (size_t)size;
            outgoing->parts[outgoing->last++].wire = 0;
            result = SSL_write(self->ssl, plaintext, size);
            if (result != size) {
                /* The pipe takes everything, and nothing is renegotiated: there is nothing to wait for. */
                (void)wanted(self, result);
                self->has_failed = 1;
                let_go(&cursor);
                return raise_failure(self);
            }
        }
        if (size < 0) { /* no bytes; what was encrypted before it is lost, so nothing may follow */
            self->has_failed = 1;
            break;
        }
        is_left = flush(self, &left);
    }
    let_go(&cursor);
    if (size < 0 || is_left < 0)
        return NULL;
    if (is_left)
        return Py_BuildValue("(ni)", (Py_ssize_t)left, WRITABLE);
    Py_RETURN_NONE;
}

static PyObject *session_say_end(session_t *self, PyObject *arguments) {
    int socket;
    size_t left = 0;
    if (!PyArg_ParseTuple(arguments, "i", &socket))
        return NULL;
    begin(self, socket, 0);
    if (!self->has_failed && !self->unsent && SSL_is_init_finished(self->ssl)) {
        (void)SSL_shutdown(self->ssl); /* which waits for nothing */
        ERR_clear_error();
        if (flush(self, &left) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static void session_free(session_t *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    SSL_free(self->ssl);
    Py_XDECREF((PyObject *)self->context);
    free(self->kept);
    free(self->unsent);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef session_methods[] = {
    {"shake_hands", (PyCFunction)session_shake_hands, METH_VARARGS, NULL},
    {"receive_into", (PyCFunction)session_receive_into, METH_VARARGS, NULL},
    {"send", (PyCFunction)session_send, METH_VARARGS, NULL},
    {"say_end", (PyCFunction)session_say_end, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, "One connection's records; see relay.transport.records."},
    {Py_tp_dealloc, session_free},
    {Py_tp_methods, session_methods},
    {0, NULL},
};

static PyType_Spec session_spec = {
    .name = "relay.transport._records.Session",
    .basicsize = sizeof(session_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = session_slots,
};

static PyTypeObject *session_type;

/* -- contexts -------------------------------------------------------------------------------------------------- */

/* Takes the first of our protocols that is offered (RFC 7301 section 3.2); else goes on without. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *size, const unsigned char *offered,
                           unsigned int offered_size, void *data) {
    context_t *context = data;
    unsigned char *found;
    (void)ssl;
    if (SSL_select_next_proto(&found, size, context->protocols, context->protocols_size, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/* A key with a password is refused; OpenSSL would ask for it on the terminal, and wait. */
static int no_password(char *to, int size, int is_writing, void *data) {
    (void)to, (void)size, (void)is_writing, (void)data;
    return -1;
}

static PyObject *context_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const unsigned char name[] = "relay";
    PyObject *certificate = NULL, *key = NULL;
    const char *ciphers, *protocols;
    Py_ssize_t protocols_size;
    int minimum_version, is_sound = 0;
    context_t *self = (context_t *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* of zeros */
    (void)keywords;
    if (!self || !PyArg_ParseTuple(arguments, "O&O&siy#", PyUnicode_FSConverter, &certificate,
                                   PyUnicode_FSConverter, &key, &ciphers, &minimum_version, &protocols,
                                   &protocols_size))
        goto end;
    if (protocols_size > (Py_ssize_t)sizeof self->protocols) {
        PyErr_SetString(PyExc_ValueError, "too many protocols");
        goto end;
    }
    memcpy(self->protocols, protocols, (size_t)protocols_size);
    self->protocols_size = (unsigned int)protocols_size;
    ERR_clear_error();
    self->context = SSL_CTX_new(TLS_server_method());
    if (self->context) {
        SSL_CTX_set_default_passwd_cb(self->context, no_password);
        SSL_CTX_set_options(self->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        /* An idle connection's buffers are given back; what is sent again may lie elsewhere; tickets do instead of
           a cache of sessions. */
        SSL_CTX_set_mode(self->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(self->context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_alpn_select_cb(self->context, choose_protocol, self);
        is_sound = SSL_CTX_set_session_id_context(self->context, name, sizeof name - 1) == 1 &&
                   SSL_CTX_set_min_proto_version(self->context, minimum_version) == 1 &&
                   SSL_CTX_set_cipher_list(self->context, ciphers) == 1 &&
                   SSL_CTX_use_certificate_chain_file(self->context, PyBytes_AsString(certificate)) == 1 &&
                   SSL_CTX_use_PrivateKey_file(self->context, PyBytes_AsString(key), SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_check_private_key(self->context) == 1;
    }
    if (!is_sound) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        ERR_clear_error();
        PyErr_SetString(ssl_error, reason ? reason : "TLS cannot be set up");
    }
end:
    Py_XDECREF(certificate);
    Py_XDECREF(key);
    if (!is_sound) {
        Py_XDECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *context_open_session(context_t *self, PyObject *nothing) {
    session_t *session = (session_t *)((allocfunc)PyType_GetSlot(session_type, Py_tp_alloc))(session_type, 0);
    BIO *pipe = NULL;
    (void)nothing;
    if (!session) /* else filled with zeros */
        return NULL;
    Py_INCREF((PyObject *)self);
    session->context = self;
    session->ssl = SSL_new(self->context);
    if (session->ssl)
        pipe = BIO_new(pipe_method);
    if (!pipe) {
        Py_DECREF(session);
        return PyErr_NoMemory();
    }
    BIO_set_data(pipe, session);
    SSL_set_bio(session->ssl, pipe, pipe);
    SSL_set_accept_state(session->ssl);
    return (PyObject *)session;
}

static void context_free(context_t *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    SSL_CTX_free(self->context);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef context_methods[] = {
    {"open_session", (PyCFunction)context_open_session, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_doc, "What a server shows; see relay.transport.records."},
    {Py_tp_new, context_new},
    {Py_tp_dealloc, context_free},
    {Py_tp_methods, context_methods},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "relay.transport._records.Context",
    .basicsize = sizeof(context_t),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = context_slots,
};

/* -- module ---------------------------------------------------------------------------------------------------- */

static PyObject *error_class(const char *name) {
    PyObject *ssl = PyImport_ImportModule("ssl"), *error = ssl ? PyObject_GetAttrString(ssl, name) : NULL;
    Py_XDECREF(ssl);
    return error;
}

static int execute(PyObject *module) {
    PyObject *context_type;
    if (!outgoing) {
        outgoing = make_outgoing(OUT_BYTES);
        pipe_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relay's socket");
        if (!outgoing || !pipe_method || !BIO_meth_set_create(pipe_method, pipe_create) ||
            !BIO_meth_set_read(pipe_method, pipe_read) || !BIO_meth_set_write(pipe_method, pipe_write) ||
            !BIO_meth_set_ctrl(pipe_method, pipe_control)) {
            PyErr_NoMemory();
            return -1;
        }
    }
    ssl_error = error_class("SSLError");
    ssl_eof_error = error_class("SSLEOFError");
    session_type = (PyTypeObject *)PyType_FromSpec(&session_spec);
    context_type = PyType_FromSpec(&context_spec);
    if (!ssl_error || !ssl_eof_error || !session_type || !context_type ||
        PyModule_AddObjectRef(module, "Session", (PyObject *)session_type) < 0 ||
        PyModule_AddObjectRef(module, "Context", context_type) < 0)
        return -1;
    Py_DECREF(context_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_records",
    .m_doc = "TLS records, many with one call; see relay.transport.records.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__records(void) { return PyModuleDef_Init(&module); }
