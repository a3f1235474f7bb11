/* The order in which things happened, where the clocks alone do not tell it.
 *
 * A thread changes a task's state word and then records that it did. Between the two another thread may change the word
 * again and record that first: by the clocks a task is polled before it was woken. But the records say more than a
 * time: each transition carries the state before and after it, and these make a chain.
 *
 * What is certain: a transition happened after the record that its thread wrote before it (`low`) and before its own
 * record (`high`). (A wake that queues the task writes QUEUE_PUSH and more between the transition and its record; there
 * `low` is the record before all that, and the transition may pass the push, which is where it belongs.)
 *
 * Two events that change nothing in the word take part, as they tell something of it: a join finds the task done, and
 * after its memory was given back there are no transitions.
 *
 * So, for each task whose chain is broken by the clocks: its transitions are cut into clusters whose brackets overlap,
 * and in each broken cluster we look for an order that the brackets allow and that makes a chain, trying the order of
 * the clocks first at every step. If there is none, the order of the clocks stays: then something is wrong with the run
 * and not with the clocks, and `check` will say what. In that order every transition is put as late as it can be.
 *
 * Cost: linear in the events, and in each broken cluster a search that gives up after a number of steps that is linear
 * in its size. */
#include "order.h"

#include "memory.h"

#include <stdlib.h>

#define ANY_STATE UINT32_MAX
#define FREED     (UINT32_MAX - 1)

struct transition {
    size_t low;    /* it happened after this event: its index plus one, 0 for none */
    size_t high;   /* and not after this one, which records it */
    uint32_t task; /* index of its chain */
    const struct event *event;
};

struct move { /* the event goes to the place before another one */
    size_t event, before, rank;
};

struct moves {
    struct move *all;
    size_t count;
};

/* ---- the links of a chain */

static bool is_link(const struct event *ev)
{
    return event_has_states(ev) || ev->kind == TRACE_JOIN || ev->kind == TRACE_TASK_FREE;
}

/* Whether it can happen to a task in that state. */
static bool link_fits(const struct event *ev, uint32_t state)
{
    if (state == ANY_STATE || state == FREED)
        return state == ANY_STATE;
    if (ev->kind == TRACE_TASK_FREE)
        return true;
    if (ev->kind == TRACE_JOIN)
        return state & TRACE_STATE_DONE;
    return states_before(ev->a) == state || (event_leaves_state(ev) && (state & TRACE_STATE_RUNNING));
}

static uint32_t link_leaves(const struct event *ev, uint32_t state)
{
    if (ev->kind == TRACE_TASK_FREE)
        return FREED;
    if (ev->kind == TRACE_JOIN || (event_leaves_state(ev) && state != ANY_STATE))
        return state;
    return states_after(ev->a);
}

/* ---- which tasks need it */

struct chain {
    uint32_t state; /* after the last transition, or ANY_STATE */
    size_t count;   /* of transitions */
    bool broken;
};

struct chains {
    struct map index;
    struct chain *all;
    uint32_t count;
};

static struct chain *chain_of(struct chains *chains, uint32_t task)
{
    uint32_t index = map_get(&chains->index, task);

    if (index == MAP_NONE) {
        index = chains->count++;
        chains->all = memory_more(chains->all, index, sizeof *chains->all);
        chains->all[index] = (struct chain){.state = ANY_STATE};
        map_put(&chains->index, task, index);
    }
    return &chains->all[index];
}

static bool chains_follow(struct chains *chains, const struct event *events, size_t count)
{
    bool broken = false;

    for (size_t i = 0; i < count; i++) {
        struct chain *chain;

        if (!is_link(&events[i]) && events[i].kind != TRACE_TASK_SPAWN)
            continue;
        chain = chain_of(chains, events[i].task);
        if (events[i].kind == TRACE_TASK_SPAWN) { /* perhaps the number of an earlier task is used again */
            chain->state = ANY_STATE;
            continue;
        }
        if (!link_fits(&events[i], chain->state))
            broken = chain->broken = true;
        chain->state = link_leaves(&events[i], chain->state);
        chain->count++;
    }
    return broken;
}

/* ---- their transitions, with brackets */

struct author { /* what a thread recorded last, as index + 1; 0: nothing */
    size_t last;
    size_t wake;     /* the begin of its wake */
    size_t not_push; /* the last but for pushes and what comes with them */
    uint32_t pushed; /* the task that it has pushed since then, or 0 */
    uint32_t popped; /* the task that it took from a queue last: to push that one is only to move it */
};

/* What may come between the push that belongs to a transition and the record of that transition: the wake of a sleeper,
 * and other tasks that make room. */
static bool comes_with_a_push(const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_UNPARK:
    case TRACE_SYSCALL_BEGIN:
    case TRACE_SYSCALL_END:
    case TRACE_QUEUE_PUSH:
    case TRACE_QUEUE_POP:
    case TRACE_QUEUE_STEAL:
        return true;
    default:
        return false;
    }
}

static void author_records(struct author *author, const struct event *ev, size_t index)
{
    author->last = index + 1;
    if (ev->kind == TRACE_WAKE_BEGIN)
        author->wake = index + 1;
    if (ev->kind == TRACE_QUEUE_POP)
        author->popped = ev->task;
    if (ev->kind == TRACE_QUEUE_PUSH && ev->task != author->popped)
        author->pushed = ev->task;
    if (!comes_with_a_push(ev)) {
        author->not_push = index + 1;
        author->pushed = 0;
    }
}

static struct transition transition_of(const struct author *author, const struct event *ev, size_t index)
{
    size_t low = author->last;

    if (ev->kind == TRACE_WAKE_END && author->wake)
        low = author->wake;
    if (ev->kind == TRACE_TASK_ABORT && author->pushed == ev->task)
        low = author->not_push;
    return (struct transition){.low = low, .high = index, .event = ev};
}

/* The transitions of all broken chains, in the order of the clocks; returns how many. */
static size_t collect(struct transition **found, struct chains *chains, const struct event *events, size_t count)
{
    struct author *authors = memory_array(UINT16_MAX + 1, sizeof *authors);
    size_t used = 0;

    *found = NULL;
    for (size_t i = 0; i < count; i++) {
        struct author *author = &authors[events[i].thread];

        if (is_link(&events[i]) && chain_of(chains, events[i].task)->broken) {
            *found = memory_more(*found, used, sizeof **found);
            (*found)[used] = transition_of(author, &events[i], i);
            (*found)[used++].task = map_get(&chains->index, events[i].task);
        }
        author_records(author, &events[i], i);
    }
    free(authors);
    return used;
}

static int transition_compare(const void *left, const void *right)
{
    const struct transition *a = left, *b = right;

    if (a->task != b->task)
        return a->task < b->task ? -1 : 1;
    return a->high < b->high ? -1 : 1;
}

/* ---- one cluster */

struct search {
    const struct transition *all;
    size_t count;
    size_t *next, *previous; /* the transitions not yet placed, a ring by their clocks; [count] is its head */
    size_t *order;           /* those that are placed */
    uint32_t *states;        /* that they leave */
    size_t placed;
    size_t steps_left;
};

static uint32_t search_state(const struct search *s, uint32_t start)
{
    return s->placed ? s->states[s->placed - 1] : start;
}

static void search_place(struct search *s, size_t at, uint32_t start)
{
    uint32_t state = search_state(s, start);

    s->next[s->previous[at]] = s->next[at];
    s->previous[s->next[at]] = s->previous[at];
    s->states[s->placed] = link_leaves(s->all[at].event, state);
    s->order[s->placed++] = at;
}

static size_t search_take_back(struct search *s)
{
    size_t at = s->order[--s->placed];

    s->next[s->previous[at]] = at;
    s->previous[s->next[at]] = at;
    return at;
}

/* May `at` come next? Only if none of the others surely happened before it, and the earliest record decides that. */
static bool search_fits(const struct search *s, size_t at, uint32_t state)
{
    size_t first = s->next[s->count];

    if (!link_fits(s->all[at].event, state))
        return false;
    return at == first || s->all[at].low <= s->all[first].high;
}

static bool search_run(struct search *s, uint32_t start)
{
    size_t at = s->next[s->count];

    while (s->placed < s->count) {
        while (at != s->count && !search_fits(s, at, search_state(s, start)) && s->steps_left > 0) {
            at = s->next[at];
            s->steps_left--;
        }
        if (s->steps_left-- == 0 || (at == s->count && s->placed == 0))
            return false;
        if (at == s->count) {
            at = s->next[search_take_back(s)];
        } else {
            search_place(s, at, start);
            at = s->next[s->count];
        }
    }
    return true;
}

/* Looks for an order of the cluster that begins in that state. order has room for its transitions. */
static bool search_cluster(const struct transition *all, size_t count, uint32_t start, size_t *order)
{
    size_t *ring = memory_array(2 * (count + 1), sizeof *ring);
    uint32_t *states = memory_array(count, sizeof *states);
    struct search s = {all, count, ring, ring + count + 1, order, states, 0, 1000 + 64 * count};
    bool found;

    for (size_t i = 0; i <= count; i++) {
        s.next[i] = i == count ? 0 : i + 1;
        s.previous[i] = i == 0 ? count : i - 1;
    }
    found = search_run(&s, start);
    free(ring);
    free(states);
    return found;
}

/* A system call's pair has nothing between: what would come there goes before it. */
static size_t outside_of_calls(const struct transition *t, size_t before)
{
    const struct event *events = t->event - t->high;

    for (size_t i = before; i-- > t->low;)
        if (events[i].thread == t->event->thread)
            return events[i].kind == TRACE_SYSCALL_BEGIN ? i : before;
    return before;
}

/* Puts each transition as late as the ones behind it allow. */
static void moves_add(struct moves *moves, const struct transition *all, const size_t *order, size_t count)
{
    size_t before = all[order[count - 1]].high;

    for (size_t i = count - 1; i-- > 0;) {
        if (all[order[i]].high < before) {
            before = all[order[i]].high;
            continue;
        }
        before = outside_of_calls(&all[order[i]], before);
        moves->all = memory_more(moves->all, moves->count, sizeof *moves->all);
        moves->all[moves->count++] = (struct move){all[order[i]].high, before, i};
    }
}

static bool cluster_is_chain(const struct transition *all, size_t count, uint32_t state)
{
    for (size_t i = 0; i < count; i++) {
        if (!link_fits(all[i].event, state))
            return false;
        state = link_leaves(all[i].event, state);
    }
    return true;
}

static uint32_t cluster_leaves(const struct transition *all, const size_t *order, size_t count, uint32_t state)
{
    for (size_t i = 0; i < count; i++)
        state = link_leaves(all[order ? order[i] : i].event, state);
    return state;
}

/* Returns the state that the cluster ends in. */
static uint32_t mend_cluster(struct moves *moves, const struct transition *all, size_t count, uint32_t state)
{
    size_t *order;

    if (count == 1 || cluster_is_chain(all, count, state))
        return cluster_leaves(all, NULL, count, state);
    order = memory_array(count, sizeof *order);
    bool found = search_cluster(all, count, state, order) || search_cluster(all, count, ANY_STATE, order);
    if (found)
        moves_add(moves, all, order, count);
    state = cluster_leaves(all, found ? order : NULL, count, state);
    free(order);
    return state;
}

/* Cuts one task's transitions where everything before surely happened before everything after. */
static void mend_chain(struct moves *moves, const struct transition *all, size_t count)
{
    size_t *lowest = memory_array(count + 1, sizeof *lowest); /* of the transitions from there on */
    uint32_t state = ANY_STATE;

    lowest[count] = SIZE_MAX;
    for (size_t i = count; i-- > 0;)
        lowest[i] = all[i].low < lowest[i + 1] ? all[i].low : lowest[i + 1];
    for (size_t from = 0, i = 1; i <= count; i++) {
        if (lowest[i] > all[i - 1].high) { /* low is an index plus one */
            state = mend_cluster(moves, all + from, i - from, state);
            from = i;
        }
    }
    free(lowest);
}

/* ---- moving the events */

static int move_compare(const void *left, const void *right)
{
    const struct move *a = left, *b = right;

    if (a->before != b->before)
        return a->before < b->before ? -1 : 1;
    return a->rank < b->rank ? -1 : 1;
}

static void moves_carry_out(const struct moves *moves, struct event *events, size_t count)
{
    struct event *from = memory_array(count, sizeof *from);
    bool *moved = memory_array(count, sizeof *moved);
    const struct move *move = moves->all, *end = move + moves->count;
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        from[i] = events[i];
    for (const struct move *m = moves->all; m < end; m++)
        moved[m->event] = true;
    for (size_t i = 0; i < count; i++) {
        for (; move < end && move->before == i; move++) {
            events[used] = from[move->event];
            events[used++].time = from[i].time;
        }
        if (!moved[i])
            events[used++] = from[i];
    }
    free(moved);
    free(from);
}

static void mend(struct chains *chains, struct event *events, size_t count)
{
    struct transition *all;
    struct moves moves = {0};
    size_t used = collect(&all, chains, events, count);

    qsort(all, used, sizeof *all, transition_compare);
    for (size_t i = 0; i < used; i += chains->all[all[i].task].count)
        mend_chain(&moves, all + i, chains->all[all[i].task].count);
    if (moves.count > 0) {
        qsort(moves.all, moves.count, sizeof *moves.all, move_compare);
        moves_carry_out(&moves, events, count);
    }
    free(moves.all);
    free(all);
}

void order_events(struct event *ordered, struct run *runs, size_t run_count)
{
    struct chains chains = {0};
    size_t count = 0;

    for (size_t i = 0; i < run_count; i++)
        count += runs[i].count;
    merge_runs(ordered, runs, run_count);
    if (chains_follow(&chains, ordered, count))
        mend(&chains, ordered, count);
    map_free(&chains.index);
    free(chains.all);
}
