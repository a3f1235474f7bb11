#include "mutation.h"

#include "../model.h"

#include <string.h>

/* ---- the mutations */

static uint16_t partner_of(uint16_t kind)
{
    return (uint16_t)(kind_end_of(kind) ? kind_end_of(kind) : kind_begin_of(kind) ? kind_begin_of(kind) : TRACE_NOTE);
}

static void delete_event(struct script *s, size_t at)
{
    memmove(&s->records[at], &s->records[at + 1], (s->count - at - 1) * sizeof *s->records);
    s->count--;
}

static void double_event(struct script *s, size_t at)
{
    memmove(&s->records[at + 1], &s->records[at], (s->count - at) * sizeof *s->records);
    s->count++;
}

static void other_kind(struct script *s, size_t at)
{
    s->records[at].kind = partner_of(s->records[at].kind);
}

static void unknown_kind(struct script *s, size_t at)
{
    s->records[at].kind = 255;
}

static void other_task(struct script *s, size_t at)
{
    s->records[at].task = s->records[at].task == 1 ? 2 : 1;
}

static void no_task(struct script *s, size_t at)
{
    s->records[at].task = s->records[at].task ? 0 : 77;
}

static void flip_a(struct script *s, size_t at)
{
    s->records[at].a ^= 1;
}

static void flip_a_high(struct script *s, size_t at)
{
    s->records[at].a ^= 1 << 17;
}

static void flip_b(struct script *s, size_t at)
{
    s->records[at].b ^= 1;
}

static void more_b(struct script *s, size_t at)
{
    s->records[at].b += 1000000;
}

const struct mutation mutations[] = {
    {"delete", delete_event},
    {"double", double_event},
    {"partner", other_kind},
    {"unknown", unknown_kind},
    {"task", other_task},
    {"no_task", no_task},
    {"a", flip_a},
    {"a_high", flip_a_high},
    {"b", flip_b},
    {"b_more", more_b},
    {NULL, NULL},
};

/* ---- what cannot be noticed */

#define MAY_NAME_POLLED "it may name the task that is being polled, or none"

static const struct silence {
    unsigned kind;
    const char *mutations; /* of this kind that may go unnoticed */
    const char *reason;
} silences[] = {
    {TRACE_NOTE, "delete double unknown partner b b_more", "a remark means nothing to the run"},
    {TRACE_THREAD, "a a_high", "what number the system gave a thread shows nowhere else"},
    {TRACE_RUNTIME, "a a_high", "the number of the stage is only shown"},
    {TRACE_RUNTIME, "b", "a runtime may promise less than it keeps"},
    {TRACE_RUNTIME, "b_more", "features of a later version are not known here"},
    {TRACE_JOIN, "delete unknown", "a task that is done need not be joined"},
    {TRACE_QUEUE_POP, "delete double unknown a a_high",
     "that a queue is found empty changes nothing; so of an empty pop"},
    {TRACE_QUEUE_PUSH, "b b_more", "where workers steal, a queue's length is what its owner knew of it"},
    {TRACE_QUEUE_POP, "b b_more", "where workers steal, a queue's length is what its owner knew of it"},
    {TRACE_TASK_POLL_BEGIN, "b", "0 is no number: a runtime need not count"},
    {TRACE_FUTURE_POLL_END, "a", "a future may be dropped before it is ready"},
    {TRACE_TASK_ABORT, "delete unknown", "to abort a task that is done does nothing"},
    {TRACE_RUN_BEGIN, "b", "that an executor drops what is left is only shown"},
    {TRACE_UNPARK, "delete unknown partner", "with several sleepers it does not say which one is meant"},
    {TRACE_WAIT, "double", "a waker that belongs to no task is not followed"},
    {TRACE_WAIT_END, "delete unknown", "a waker that belongs to no task is not followed"},
    {TRACE_GUARD_WAIT, "delete double unknown partner b b_more", "whoever gets the lock at last has waited for none"},
    {TRACE_UNPARK, "double", "two threads may both wake a sleeper"},
    {TRACE_SYSCALL_BEGIN, "b b_more", "nothing else says what a call was asked"},
    {TRACE_SYSCALL_END, "b b_more", "nothing else says what a call returned, where no event follows from it"},
    {TRACE_SYSCALL_END, "delete", "a helper thread may be in a call when the program ends"},
    {TRACE_TIMER_ADD, "b b_more", "the deadline of a timer that is cancelled never counts"},
    {TRACE_TURN_BEGIN, "b b_more", "a turn may last less long than it may"},
    {TRACE_WAIT_END, "task no_task", "its task means nothing: the source does not know it"},
    {TRACE_READY, "b", "a hang-up wakes readers as well"},
    {TRACE_NOTE, "no_task", MAY_NAME_POLLED},
    {TRACE_UNPARK, "no_task", MAY_NAME_POLLED},
    {TRACE_TIMER_FIRE, "task no_task", MAY_NAME_POLLED},
    {TRACE_REGISTER_END, "task no_task", MAY_NAME_POLLED},
    {TRACE_SYSCALL_BEGIN, "task no_task", MAY_NAME_POLLED},
    {TRACE_SYSCALL_END, "task no_task", MAY_NAME_POLLED},
    {TRACE_WAIT, "task no_task", MAY_NAME_POLLED},
    {TRACE_FUTURE_NEW, "task no_task", MAY_NAME_POLLED},
    {TRACE_FUTURE_DROP, "task no_task", MAY_NAME_POLLED},
    {TRACE_FUTURE_POLL_BEGIN, "task no_task", MAY_NAME_POLLED},
    {TRACE_FUTURE_POLL_END, "task no_task", MAY_NAME_POLLED},
    {TRACE_REGISTER_BEGIN, "task no_task", MAY_NAME_POLLED},
    {TRACE_DEREGISTER, "task no_task", MAY_NAME_POLLED},
    {TRACE_TIMER_ADD, "task no_task", MAY_NAME_POLLED},
    {TRACE_TIMER_CANCEL, "task no_task", MAY_NAME_POLLED},
};

static bool names_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

const char *silence_for(unsigned kind, const char *mutation)
{
    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++)
        if (silences[i].kind == kind && names_word(silences[i].mutations, mutation))
            return silences[i].reason;
    return NULL;
}
