#pragma once
// librabbitmq as Swift can call it: what is variadic there, and the few platform calls the transport needs.
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#else
#include <fcntl.h>
#endif

static inline amqp_table_entry_t dtq_flag_entry(const char *name) {
    amqp_table_entry_t entry;
    entry.key = amqp_cstring_bytes(name);
    entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    entry.value.value.boolean = 1;
    return entry;
}

static inline amqp_table_entry_t dtq_text_entry(const char *name, const char *text) {
    amqp_table_entry_t entry;
    entry.key = amqp_cstring_bytes(name);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(text);
    return entry;
}

/// Logs in with PLAIN and announces what this client understands; without the capabilities a broker neither tells
/// that it blocks publishers nor that it cancelled a consumer.
static inline amqp_rpc_reply_t dtq_login(amqp_connection_state_t state, const char *virtual_host, int frame_max,
                                         int heartbeat_seconds, const char *connection_name, const char *user,
                                         const char *password) {
    amqp_table_entry_t abilities[5] = {
        dtq_flag_entry("authentication_failure_close"), dtq_flag_entry("basic.nack"),
        dtq_flag_entry("connection.blocked"),           dtq_flag_entry("consumer_cancel_notify"),
        dtq_flag_entry("publisher_confirms"),
    };
    amqp_table_entry_t entries[3];
    amqp_table_t properties = {3, entries};
    entries[0] = dtq_text_entry("product", "dtq");
    entries[1] = dtq_text_entry("connection_name", connection_name);
    entries[2].key = amqp_cstring_bytes("capabilities");
    entries[2].value.kind = AMQP_FIELD_KIND_TABLE;
    entries[2].value.value.table.num_entries = 5;
    entries[2].value.value.table.entries = abilities;
    return amqp_login_with_properties(state, virtual_host, 0, frame_max, heartbeat_seconds, &properties,
                                      AMQP_SASL_METHOD_PLAIN, user, password);
}

/// Bytes taken by the kernel, 0 when it takes none now, or -errno.
static inline long dtq_send(int socket, const void *bytes, size_t count) {
    int flags = MSG_DONTWAIT;
#ifdef MSG_NOSIGNAL
    flags |= MSG_NOSIGNAL;
#endif
    for (;;) {
        ssize_t taken = send(socket, bytes, count, flags);
        if (taken >= 0) return (long)taken;
        if (errno == EINTR) continue;
        return (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -(long)errno;
    }
}

/// Opens what a thread in poll() is woken with: `ends[0]` to wait on, `ends[1]` to write to. 0 or -errno.
static inline int dtq_wake_open(int ends[2]) {
#ifdef __linux__
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (descriptor < 0) return -errno;
    ends[0] = ends[1] = descriptor;
    return 0;
#else
    if (pipe(ends) != 0) return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
#endif
}

static inline void dtq_wake_signal(int end) {
    uint64_t one = 1;
    ssize_t ignored = write(end, &one, sizeof one);
    (void)ignored;
}

static inline void dtq_wake_clear(int end) {
    uint64_t buffer[16];
    ssize_t ignored = read(end, buffer, sizeof buffer);
    (void)ignored;
}

static inline void dtq_wake_close(const int ends[2]) {
    close(ends[0]);
    if (ends[1] != ends[0]) close(ends[1]);
}
