/* System calls, and what they let us infer: a program never sees a packet arrive or the kernel mark a descriptor. It
 * only sees that epoll_wait came back, and later how many bytes a read found. The rows made from that are inferred,
 * and drawn so. */
#define _GNU_SOURCE /* strerrorname_np */
#include "diagram_builder.h"
#include "describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS_NAMED = 3 }; /* of one epoll_wait; the others are counted */

static const char *duration(struct builder *b, uint64_t ns)
{
    char text[64];

    return pool_format(&b->d->pool, "%s", describe_time(ns, text, sizeof text));
}

static const char *call_name(struct builder *b, uint32_t call)
{
    const char *name = event_call_name(call);

    return name ? name : pool_format(&b->d->pool, "call_%" PRIu32, call);
}

static const char *ctl_operation(int32_t operation)
{
    static const char *const names[] = {"0", "ADD", "DEL", "MOD"};

    return operation >= 0 && operation <= 3 ? names[operation] : "?";
}

static const char *wait_limit(struct builder *b, int32_t us)
{
    return us < 0 ? "no limit" : us == 0 ? "no wait" : duration(b, (uint64_t)us * 1000);
}

static const char *call_text(struct builder *b)
{
    struct pool *pool = &b->d->pool;
    int32_t first = call_first(b->ev), second = call_second(b->ev);
    const char *name = call_name(b, b->ev->a);

    switch (b->ev->a) {
    case TRACE_CALL_EPOLL_CTL:
        return pool_format(pool, "%s(%s, fd %" PRId32 ")", name, ctl_operation(second), first);
    case TRACE_CALL_EPOLL_WAIT:
        return pool_format(pool, "%s(%s)", name, wait_limit(b, second));
    case TRACE_CALL_SEND:
    case TRACE_CALL_WRITE:
        return pool_format(pool, "%s(fd %" PRId32 ", %" PRId32 " bytes)", name, first, second);
    case TRACE_CALL_BIND:
    case TRACE_CALL_CONNECT:
        return pool_format(pool, "%s(fd %" PRId32 ", port %" PRId32 ")", name, first, second);
    case TRACE_CALL_RECV:
    case TRACE_CALL_READ:
    case TRACE_CALL_ACCEPT:
    case TRACE_CALL_CLOSE:
    case TRACE_CALL_SHUTDOWN:
    case TRACE_CALL_LISTEN:
    case TRACE_CALL_GETSOCKNAME:
    case TRACE_CALL_GETSOCKOPT:
    case TRACE_CALL_SETSOCKOPT:
        return pool_format(pool, "%s(fd %" PRId32 ")", name, first);
    default:
        return pool_format(pool, "%s()", name);
    }
}

static const char *error_text(struct builder *b, int64_t error)
{
    const char *name = error <= 4096 ? strerrorname_np((int)error) : NULL;

    return name ? name : pool_format(&b->d->pool, "error %" PRId64, error);
}

static const char *ready_bits(struct builder *b, uint64_t bits)
{
    struct pool *pool = &b->d->pool;

    return pool_format(pool, "%s%s%s%s%s%s", bits & EPOLLIN ? " IN" : "", bits & EPOLLPRI ? " PRI" : "",
                       bits & EPOLLOUT ? " OUT" : "", bits & EPOLLRDHUP ? " RDHUP" : "", bits & EPOLLHUP ? " HUP" : "",
                       bits & EPOLLERR ? " ERR" : "");
}

/* The READY events that a finished epoll_wait led to: they follow it in the same thread, before the turn is over. */
static size_t next_ready(const struct builder *b, size_t at)
{
    for (size_t i = b->survey.next[at]; i != NO_EVENT; i = b->survey.next[i]) {
        const struct event *ev = &b->rec->events[i];
        if (ev->kind == TRACE_READY)
            return i;
        if (ev->kind == TRACE_TURN_END || (ev->kind == TRACE_SYSCALL_BEGIN && ev->a == TRACE_CALL_EPOLL_WAIT))
            return NO_EVENT;
    }
    return NO_EVENT;
}

static const char *wait_result(struct builder *b, int64_t count)
{
    const char *list = "";
    int named = 0;

    if (count == 0)
        return "no events";
    for (size_t i = next_ready(b, b->at); i != NO_EVENT && named < EVENTS_NAMED; i = next_ready(b, i), named++) {
        const struct event *ready = &b->rec->events[i];
        list = pool_format(&b->d->pool, "%s%sfd %" PRIu32 ",%s", list, named ? "; " : "", ready->a,
                           ready_bits(b, ready->b));
    }
    if (!named)
        return pool_format(&b->d->pool, "%" PRId64 " event%s", count, count == 1 ? "" : "s");
    return pool_format(&b->d->pool, "%" PRId64 " event%s {%s%s}", count, count == 1 ? "" : "s", list,
                       count > named ? "; ..." : "");
}

static const char *result_text(struct builder *b, const struct event *end)
{
    struct pool *pool = &b->d->pool;
    int64_t result = (int64_t)end->b;

    if (result < 0)
        return error_text(b, -result);
    switch (end->a) {
    case TRACE_CALL_RECV:
    case TRACE_CALL_READ:
        if (result == 0)
            return "0: end of stream";
        return pool_format(pool, "%" PRId64 " byte%s", result, result == 1 ? "" : "s");
    case TRACE_CALL_SEND:
    case TRACE_CALL_WRITE:
        return pool_format(pool, "%" PRId64 " byte%s", result, result == 1 ? "" : "s");
    case TRACE_CALL_ACCEPT:
    case TRACE_CALL_SOCKET:
    case TRACE_CALL_EVENTFD:
    case TRACE_CALL_EPOLL_CREATE:
        return pool_format(pool, "fd %" PRId64, result);
    case TRACE_CALL_EPOLL_WAIT:
        return wait_result(b, result);
    default:
        return pool_format(pool, "%" PRId64, result);
    }
}

/* What must have come from the peer, given how the call that used it ended. NULL: nothing that can be told. */
static const char *arrival_text(struct builder *b, const struct event *call, const struct event *end)
{
    struct pool *pool = &b->d->pool;
    int64_t result = (int64_t)end->b;

    switch (call->a) {
    case TRACE_CALL_RECV:
    case TRACE_CALL_READ:
        if (result > 0)
            return pool_format(pool, "%" PRId64 " byte%s", result, result == 1 ? "" : "s");
        return result == 0 ? "end of stream" : result == -ECONNRESET ? "reset" : NULL;
    case TRACE_CALL_ACCEPT:
        return result >= 0 ? "connects" : NULL;
    case TRACE_CALL_GETSOCKOPT:
    case TRACE_CALL_CONNECT:
        return "answers the connect";
    default:
        return NULL;
    }
}

static uint16_t *fd_heard(struct builder *b, int64_t fd)
{
    static uint16_t ignored;

    return fd >= 0 && fd < SURVEY_MAX_FD ? &b->fd_heard[fd] : &ignored;
}

static const char *kernel_marks(struct builder *b, const struct event *ready)
{
    return pool_format(&b->d->pool, "marks fd %" PRIu32 "%s", ready->a,
                       ready->b & EPOLLIN    ? " readable"
                       : ready->b & EPOLLOUT ? " writable"
                                             : " broken");
}

static const char *event_title(const char *arrival)
{
    if (strcmp(arrival, "reset") == 0)
        return "the event: the peer resets";
    if (strcmp(arrival, "end of stream") == 0)
        return "the event: the peer is done";
    if (strcmp(arrival, "connects") == 0)
        return "the event: a peer connects";
    return strstr(arrival, "byte") ? "the event: bytes arrive" : "the event: an answer";
}

/* A peer's bytes and the kernel's mark, for one descriptor that epoll_wait reported. */
static void infer_ready(struct builder *b, size_t ready_at)
{
    const struct event *ready = &b->rec->events[ready_at];
    size_t use = b->survey.ahead[ready_at], end = use != NO_EVENT ? b->survey.ahead[use] : NO_EVENT;
    bool from_outside = !(ready->a < SURVEY_MAX_FD && b->survey.is_eventfd[ready->a]);
    const char *arrival = NULL;
    struct row *row = NULL;

    if (from_outside && end != NO_EVENT)
        arrival = arrival_text(b, &b->rec->events[use], &b->rec->events[end]);
    if (!arrival && from_outside && (ready->b & (EPOLLERR | EPOLLHUP)))
        arrival = "reset";
    if (arrival) {
        row = say(b, STYLE_INFERRED, actor_peer(b), actor_kernel(b), "%s", arrival);
        row->fd = (int32_t)ready->a;
        step_mark(row, 9, 0, event_title(arrival));
        *fd_heard(b, ready->a) = 1;
    }
    row = say(b, STYLE_INFERRED, actor_kernel(b), actor_kernel(b), "%s", kernel_marks(b, ready));
    row->fd = (int32_t)ready->a;
    if (!arrival)
        step_mark(row, 9, 0, "the event");
}

/* A watch over several reactors only says that there is something; READY comes in their turns, before anything else is
 * done. */
static void infer_watched(struct builder *b)
{
    unsigned named = 0;

    for (size_t i = b->survey.next[b->at]; i != NO_EVENT; i = b->survey.next[i]) {
        unsigned kind = b->rec->events[i].kind;
        if (kind == TRACE_PARK_BEGIN || kind == TRACE_TASK_POLL_BEGIN)
            break;
        if (kind == TRACE_READY && named++ < EVENTS_NAMED)
            infer_ready(b, i);
        if (kind == TRACE_READY)
            b->thread->inferred = i;
    }
}

static void infer_wait(struct builder *b, int64_t result)
{
    bool told = b->thread->inferred > b->at;

    for (size_t i = next_ready(b, b->at), n = 0; !told && i != NO_EVENT && n < EVENTS_NAMED; i = next_ready(b, i), n++)
        infer_ready(b, i);
    if (survey_epoll_watches(&b->survey, b->at))
        infer_watched(b);
    if (result == 0) {
        const struct frame *call = frame_find(b, FRAME_CALL);
        if (call && call_second(&b->rec->events[call->begin]) > 0) {
            struct row *row = say(b, STYLE_INFERRED, actor_kernel(b), actor_kernel(b), "the time is up");
            step_mark(row, 9, 0, "the event: time is up");
        }
    }
}

/* The first read of a descriptor finds bytes, although nobody ever waited for them: they were there before. */
static void infer_earlier(struct builder *b)
{
    size_t end = b->survey.ahead[b->at];
    int32_t fd = call_first(b->ev);
    bool takes = b->ev->a == TRACE_CALL_RECV || b->ev->a == TRACE_CALL_READ || b->ev->a == TRACE_CALL_ACCEPT;

    if (!takes || end == NO_EVENT || fd < 0 || fd >= SURVEY_MAX_FD || b->survey.is_eventfd[fd] || *fd_heard(b, fd))
        return;
    const char *arrival = arrival_text(b, b->ev, &b->rec->events[end]);
    if (arrival) {
        say(b, STYLE_INFERRED, actor_peer(b), actor_kernel(b), "%s, before this call", arrival);
        *fd_heard(b, fd) = 1;
    }
}

static bool call_sleeps(const struct event *ev)
{
    return (ev->a == TRACE_CALL_EPOLL_WAIT && call_second(ev) != 0) || ev->a == TRACE_CALL_FUTEX_WAIT;
}

/* Outside of tasks and reactor, a call that does not sleep is not worth two arrows. */
static bool call_is_brief(struct builder *b)
{
    size_t end = b->survey.ahead[b->at];

    return end != NO_EVENT && end == b->survey.next[b->at] && !call_sleeps(b->ev) && !frame_find(b, FRAME_POLL) &&
           !frame_find(b, FRAME_TURN);
}

static void tell_brief_call(struct builder *b)
{
    const char *result = result_text(b, &b->rec->events[b->survey.ahead[b->at]]);
    int now = actor_now(b);

    say(b, STYLE_CALL, now, actor_kernel(b), "%s = %s", call_text(b), result);
    frame_push(b, FRAME_BRIEF_CALL, now);
}

void tell_call_begin(struct builder *b)
{
    if (b->ev->a == TRACE_CALL_CLOSE)
        *fd_heard(b, call_first(b->ev)) = 0;
    infer_earlier(b);
    if (call_is_brief(b)) {
        tell_brief_call(b);
        return;
    }
    int now = actor_now(b);
    struct row *row = row_opens(say(b, STYLE_CALL, now, actor_kernel(b), "%s", call_text(b)));
    size_t index = row_index(b, row);
    if (call_sleeps(b->ev)) {
        step_mark(row, 8, 0, pool_format(&b->d->pool, "%s: the thread sleeps", call_name(b, b->ev->a)));
    }
    frame_push(b, FRAME_CALL, now)->row = index;
}

static bool is_read(uint32_t call)
{
    return call == TRACE_CALL_RECV || call == TRACE_CALL_READ || call == TRACE_CALL_ACCEPT;
}

/* What a poll did by a call with this result that moves it on; "": nothing that a title should say. */
static const char *call_deed(const struct builder *b, const struct event *begin, int64_t result)
{
    int32_t fd = call_first(begin);

    if (result < 0 || (fd >= 0 && fd < SURVEY_MAX_FD && b->survey.is_eventfd[fd]))
        return "";
    switch (begin->a) {
    case TRACE_CALL_RECV:
    case TRACE_CALL_READ:
        return result > 0 ? " reads the bytes" : "";
    case TRACE_CALL_SEND:
    case TRACE_CALL_WRITE:
        return result > 0 ? " writes the bytes" : "";
    case TRACE_CALL_ACCEPT:
        return " accepts a connection";
    default:
        return "";
    }
}

/* The steps that a finished call of a task's poll can be: 5, or what poll n (12) did: the first thing counts. */
static void call_steps(struct builder *b, struct row *row, const struct event *begin, int64_t result)
{
    struct frame *poll = frame_find(b, FRAME_POLL);

    if (!poll)
        return;
    if (is_read(begin->a) && result == -EAGAIN)
        step_mark(row, 5, poll->task, pool_format(&b->d->pool, "%s gives would-block", call_name(b, begin->a)));
    struct row *polled = poll->row != NO_EVENT ? &b->d->rows[poll->row] : NULL;
    const char *deed = call_deed(b, begin, result);
    if (deed[0] && polled && polled->step == 12 && !poll->titled) {
        polled->title = pool_format(&b->d->pool, "%s%s", polled->title, deed);
        poll->titled = true;
    }
}

void tell_call_end(struct builder *b)
{
    int64_t result = (int64_t)b->ev->b;
    struct frame call;

    if (frame_pop(b, FRAME_BRIEF_CALL, &call))
        return;
    if (b->ev->a == TRACE_CALL_EPOLL_WAIT)
        infer_wait(b, result);
    bool known = frame_pop(b, FRAME_CALL, &call);
    struct row *row = say(b, STYLE_REPLY, actor_kernel(b), actor_now(b), "%s", result_text(b, b->ev));
    if (known) {
        row_closes(row);
        call_steps(b, row, &b->rec->events[call.begin], result);
    }
}
