/* How many senders and a receiver meet in one word.
 *
 * Values lie in a list of blocks, in slots. The state word counts how many slots were claimed, so it says which one is
 * next:
 *
 *   bits            set by                          cleared by                       cannot be set with
 *   RECEIVER_WAITS  the receiver, if no slot is     the sender that claims the next  a slot that is claimed and
 *                   claimed that it has not read    slot; the sender that sets       not yet read
 *                                                   GONE, when it has the waker;
 *                                                   the receiver
 *   SENDERS_WAIT    a sender that finds no room,    who empties the list, under the  -
 *                   under the lock                  lock
 *   CLOSED          the receiver                    nobody                           -
 *   GONE            the last sender                 nobody                           -
 *   ROOM (24 bits)  so many more values may be sent. Unbounded: always 1
 *   CLAIM (36 bits) so many slots were claimed, ever
 *
 * A send is two steps. One exchange of the word claims a slot, takes the room for it, and takes over the duty to wake a
 * receiver that waits. Then the value is written into the slot, which belongs to nobody else, and the slot is marked as
 * full. A receive reads the next slot if it is full, and gives back the room. So where nobody waits a send costs one
 * exchange of the word, a receive seldom any, and neither a lock.
 *
 * Room is given back by the group, and in advance: with the first value of a group, for all of it, in one step, whether
 * the others were sent already or not. So the receiver leaves the word to the senders most of the time. It counts for how
 * many values it has done so (`paid`), and after each receive
 *
 *   room + room granted + slots claimed = capacity + paid      and      received <= paid < received + group
 *
 * so that never less than the capacity fits in, and at most group - 1 values more. A group is a sixteenth of the capacity;
 * where that is less than two values, each value is a group of its own.
 *
 * The race between the receiver's look and its sleep: a slot is claimed in between. Then the exchange that was to set
 * RECEIVER_WAITS fails, as the word has changed, and the receiver looks again.
 *
 * A slot that is claimed and not yet full: its sender is in the middle of a send, on another thread. The receiver can
 * neither read it nor wait for it, as that sender has looked at RECEIVER_WAITS already. So it wakes itself, and is polled
 * again after the others. The sender needs a few instructions, or, where its thread was put aside, a time slice.
 *
 * Whose `waiting` is: the receiver's. But from the moment it sets RECEIVER_WAITS, whoever clears that bit may read it:
 * the receiver itself; or a sender, which reads it before it marks its slot as full. A receiver that finds the slot full
 * has it back. The last sender sets GONE, reads it, and only then clears RECEIVER_WAITS: until then the receiver does not
 * end, so that it cannot free the channel too early.
 *
 * The last slot of a block is claimed under the lock, together with the making of the next block, and a slot is marked
 * only after that: a receiver that has read the last slot finds the next block. Before and after that exchange `last` is
 * the block that fits the word, for any sender whose own exchange succeeds. Nobody but the receiver reads from a block,
 * and nobody writes to it once all of its slots are full; so the receiver may take it away.
 *
 * Waiting senders stand in line as for a semaphore (async_semaphore.c): room is granted, not snatched.
 *
 * Designs that were rejected:
 *   An exchange to mark the slot, with which the receiver meets one sender there. Nothing would be left in the middle of
 *   a send, but each message would cost one more atomic operation.
 *   A semaphore for the room, and a counter for the slots, as in Tokio. The same, once more.
 *   A stack of nodes that the receiver takes as a whole. One exchange a send and nothing in the middle, but one
 *   allocation for each value.
 *   Room by the group, but after it was received. Then less than the capacity fits in, for as long as the receiver does
 *   something else: and if that is to wait for who waits for room, both wait for ever.
 *   A receiver that counts how many of the next slots are full, and gives back the room for these. It can deliver them
 *   without another look, but close behind a sender it finds few: it changed the word four times as often.
 *   A ring instead of blocks. It would do for bounded channels only, and take its whole memory at once. */
#include "mpsc.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 32,       /* in a block; a power of two */
    GROUP_SHARE = 16, /* a group is this part of the capacity, */
    GROUP_MAX = 64,   /* at most */
};

enum { RECEIVER_WAITS = 1, SENDERS_WAIT = 2, CLOSED = 4, GONE = 8 };

/* What a poll seldom needs. Inlined, it would make every poll save more registers. */
#define OUT_OF_LINE __attribute__((noinline))

#define ROOM  UINT64_C(16)
#define CLAIM (UINT64_C(1) << 28)

_Static_assert(MPSC_CAPACITY_MAX + GROUP_MAX - 1 < CLAIM / ROOM, "the room of any channel fits into the word");

struct mpsc_slot {
    atomic_uint full;
    unsigned char value[];
};

struct mpsc_block {
    struct mpsc_block *next;
    _Alignas(max_align_t) unsigned char slots[];
};

/* --- blocks --- */

static size_t mpsc_slot_size(const struct mpsc *ch)
{
    size_t unit = _Alignof(max_align_t) / 2;
    return (sizeof(struct mpsc_slot) + ch->size + unit - 1) / unit * unit;
}

static struct mpsc_slot *mpsc_slot(const struct mpsc *ch, struct mpsc_block *block, uint64_t index)
{
    return (struct mpsc_slot *)(block->slots + index % SLOTS * ch->slot_size);
}

static struct mpsc_block *mpsc_new_block(struct mpsc *ch)
{
    /* acquire: the receiver has read all of it (partner: mpsc_next_block) */
    struct mpsc_block *block = atomic_exchange_explicit(&ch->spare, NULL, memory_order_acquire);

    if (!block)
        block = malloc(sizeof *block + SLOTS * ch->slot_size);
    if (!block)
        return NULL;
    block->next = NULL;
    for (unsigned i = 0; i < SLOTS; i++)
        atomic_init(&mpsc_slot(ch, block, i)->full, 0);
    return block;
}

/* The receiver has read all of the first block. Its next one was there before the last slot was full. */
static OUT_OF_LINE void mpsc_next_block(struct mpsc *ch)
{
    struct mpsc_block *read = ch->first;

    ch->first = read->next;
    /* acq_rel: the block was read (partner: mpsc_new_block); and what was in there before is ours to free */
    free(atomic_exchange_explicit(&ch->spare, read, memory_order_acq_rel));
}

/* --- the channel's life --- */

static uint32_t mpsc_group_size(uint32_t capacity)
{
    uint32_t size = capacity / GROUP_SHARE;

    if (size == 0)
        return 1;
    return size < GROUP_MAX ? size : GROUP_MAX;
}

int mpsc_init_at(struct mpsc *ch, uint32_t capacity, size_t size, const struct site *at)
{
    bool bounded = capacity != MPSC_UNBOUNDED;

    if (capacity == 0 || (bounded && capacity > MPSC_CAPACITY_MAX))
        misuse(at, "a channel of capacity %u; it may be 1 to %u, or MPSC_UNBOUNDED", capacity, MPSC_CAPACITY_MAX);
    *ch = (struct mpsc){.size = (uint32_t)size, .number = id_new(ID_SYNC), .cost = bounded ? CLAIM - ROOM : CLAIM};
    ch->slot_size = (uint32_t)mpsc_slot_size(ch);
    ch->group = mpsc_group_size(capacity);
    ch->paid = bounded ? 0 : UINT64_MAX;
    mutex_init(&ch->lock);
    atomic_init(&ch->senders, 1);
    atomic_init(&ch->state, (bounded ? capacity : 1) * ROOM);
    ch->first = mpsc_new_block(ch);
    atomic_init(&ch->last, ch->first);
    return ch->first ? 0 : -ENOMEM;
}

void mpsc_destroy_at(struct mpsc *ch, const struct site *at)
{
    /* relaxed: the caller says that everybody is done, and knows it from them */
    if (atomic_load_explicit(&ch->senders, memory_order_relaxed) != 0)
        misuse(at, "channel %u is destroyed while it has senders", ch->number);
    if (ch->receiver)
        misuse(at, "channel %u is destroyed while a receive waits", ch->number);
    for (struct mpsc_block *block = ch->first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(atomic_load_explicit(&ch->spare, memory_order_relaxed)); /* as above */
}

void mpsc_wrong_size(const struct mpsc *ch, size_t size, const struct site *at)
{
    misuse(at, "a value of %zu bytes goes through channel %u, whose values have %u", size, ch->number, ch->size);
}

/* --- the word --- */

static uint64_t mpsc_look(struct mpsc *ch)
{
    /* acquire: the block that fits the word, and the waker (partners: mpsc_claim_last and mpsc_announce) */
    return atomic_load_explicit(&ch->state, memory_order_acquire);
}

/* From *state, which is what it was last seen to be, to this; false: it is another now, and *state is that. acquire: as
 * mpsc_look. release: what the caller has written (partner: itself and mpsc_look). */
static bool mpsc_change(struct mpsc *ch, uint64_t *state, uint64_t after)
{
    return atomic_compare_exchange_weak_explicit(&ch->state, state, after, memory_order_acq_rel, memory_order_acquire);
}

static bool mpsc_has_room(uint64_t state)
{
    return !(state & SENDERS_WAIT) && state % CLAIM >= ROOM;
}

/* --- sending --- */

/* A slot that was claimed. */
struct claim {
    struct mpsc_block *block;
    uint64_t before; /* the state */
};

/* What stands against a claim: 0, -EPIPE, or -EAGAIN. cost: with room in it, or CLAIM alone if the caller has room. */
static int mpsc_refuse(uint64_t state, uint64_t cost)
{
    if (state & CLOSED)
        return -EPIPE;
    return cost == CLAIM || mpsc_has_room(state) ? 0 : -EAGAIN;
}

static bool mpsc_is_last_of_block(uint64_t state)
{
    return state / CLAIM % SLOTS == SLOTS - 1;
}

/* Under the lock, and the next slot is the last of its block. 0 or -errno. */
static int mpsc_add_block_and_claim(struct mpsc *ch, uint64_t cost, uint64_t state, struct claim *claim)
{
    struct mpsc_block *next = mpsc_new_block(ch);
    int error = 0;

    if (!next)
        return -ENOMEM;
    claim->block = atomic_load_explicit(&ch->last, memory_order_relaxed); /* changed under the lock only */
    claim->block->next = next;
    /* relaxed: published by the exchange that follows (partner: mpsc_look) */
    atomic_store_explicit(&ch->last, next, memory_order_relaxed);
    while (!error && !mpsc_change(ch, &state, (state & ~(uint64_t)RECEIVER_WAITS) + cost))
        error = mpsc_refuse(state, cost); /* only because it was closed, and then `last` does not matter any more */
    claim->before = state;
    return error;
}

/* As mpsc_claim. -EBUSY: the next slot is not the last of its block any more. */
static int mpsc_claim_last(struct mpsc *ch, uint64_t cost, struct claim *claim, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    uint64_t state = mpsc_look(ch);
    int error = mpsc_is_last_of_block(state) ? mpsc_refuse(state, cost) : -EBUSY;
    if (!error)
        error = mpsc_add_block_and_claim(ch, cost, state, claim);
    mutex_unlock_at(&ch->lock, at);
    return error;
}

/* Claims it if the word is still *state, in which it is not the last of its block. false: *state is another now. */
static inline bool mpsc_claim_as_of(struct mpsc *ch, uint64_t cost, uint64_t *state, struct claim *claim)
{
    /* relaxed: if the exchange succeeds, this is what mpsc_look or the exchange before it has acquired */
    claim->block = atomic_load_explicit(&ch->last, memory_order_relaxed);
    claim->before = *state;
    return mpsc_change(ch, state, (*state & ~(uint64_t)RECEIVER_WAITS) + cost);
}

/* Claims the next slot. 0, or what stands against it. */
static int mpsc_claim(struct mpsc *ch, uint64_t cost, struct claim *claim, const struct site *at)
{
    uint64_t state = mpsc_look(ch);
    int error;

    while (!(error = mpsc_refuse(state, cost))) {
        if (mpsc_is_last_of_block(state)) {
            error = mpsc_claim_last(ch, cost, claim, at);
            if (error != -EBUSY)
                return error;
            state = mpsc_look(ch);
            continue;
        }
        if (mpsc_claim_as_of(ch, cost, &state, claim))
            return 0;
    }
    return error;
}

/* Most values are a number or a pointer: these without a call. */
static inline void mpsc_copy(void *to, const void *from, size_t size)
{
    if (size == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t));
    else
        memcpy(to, from, size);
}

/* From here on the receiver may read the slot and take the block away. */
static inline void mpsc_fill(const struct mpsc *ch, struct mpsc_slot *slot, const void *value)
{
    mpsc_copy(slot->value, value, ch->size);
    /* release: the value, and that the waker was read (partner: mpsc_take) */
    atomic_store_explicit(&slot->full, 1, memory_order_release);
}

static OUT_OF_LINE void mpsc_fill_and_wake(struct mpsc *ch, struct mpsc_slot *slot, const void *value,
                                           const struct site *at)
{
    struct waker receiver = waiter_read_waker(&ch->waiting, ch->number, at);

    mpsc_fill(ch, slot, value);
    waker_wake_at(receiver, at);
}

/* The channel stays, as we are a sender. */
static inline void mpsc_put(struct mpsc *ch, const struct claim *claim, const void *value, const struct site *at)
{
    struct mpsc_slot *slot = mpsc_slot(ch, claim->block, claim->before / CLAIM);

    if (claim->before & RECEIVER_WAITS)
        mpsc_fill_and_wake(ch, slot, value, at);
    else
        mpsc_fill(ch, slot, value);
}

/* The short way of a send, with one exchange. false: something is in its way, or was for a moment. */
static inline bool mpsc_send_at_once(struct mpsc *ch, const void *value, const struct site *at)
{
    uint64_t state = mpsc_look(ch);
    struct claim claim;

    if (state & CLOSED || !mpsc_has_room(state) || mpsc_is_last_of_block(state))
        return false;
    if (!mpsc_claim_as_of(ch, ch->cost, &state, &claim))
        return false;
    mpsc_put(ch, &claim, value, at);
    return true;
}

int mpsc_try_send_at(struct mpsc *ch, const void *value, size_t size, const struct site *at)
{
    struct claim claim;

    mpsc_check_size(ch, size, at);
    if (mpsc_send_at_once(ch, value, at))
        return 0;
    int error = mpsc_claim(ch, ch->cost, &claim, at);
    if (!error)
        mpsc_put(ch, &claim, value, at);
    return error;
}

/* --- senders that wait for room --- */

/* Under the lock. 0: here is room, granted; -EAGAIN: SENDERS_WAIT is set, in the same step; -EPIPE. */
static int mpsc_take_room_or_mark(struct mpsc *ch)
{
    uint64_t state = mpsc_look(ch);
    bool room;

    do {
        if (state & CLOSED)
            return -EPIPE;
        room = mpsc_has_room(state);
    } while (!mpsc_change(ch, &state, room ? state - ROOM : state | SENDERS_WAIT));
    return room ? 0 : -EAGAIN;
}

/* Under the lock. */
static void mpsc_grant(struct mpsc *ch, bool room, struct wakes *wakes)
{
    ch->waiters.first->wants = room;
    waiter_grant(&ch->waiters, wakes);
}

/* Under the lock. relaxed: whoever changes the word next relies on nothing that was done here. */
static void mpsc_unmark_if_empty(struct mpsc *ch)
{
    if (!ch->waiters.first)
        atomic_fetch_and_explicit(&ch->state, ~(uint64_t)SENDERS_WAIT, memory_order_relaxed);
}

/* Under the lock. While SENDERS_WAIT is set nobody else takes room: what is seen once stays. Says whether there is more
 * to serve than fits. relaxed: nothing is published by it. */
static bool mpsc_serve(struct mpsc *ch, struct wakes *wakes)
{
    uint64_t room = mpsc_look(ch) % CLAIM / ROOM, granted = 0;

    for (; ch->waiters.first && granted < room && !wakes_full(wakes); granted++)
        mpsc_grant(ch, true, wakes);
    atomic_fetch_sub_explicit(&ch->state, granted * ROOM, memory_order_relaxed);
    mpsc_unmark_if_empty(ch);
    return ch->waiters.first && granted < room;
}

/* Under the lock. */
static bool mpsc_refuse_all(struct mpsc *ch, struct wakes *wakes)
{
    for (; ch->waiters.first; mpsc_grant(ch, false, wakes))
        if (wakes_full(wakes))
            return true;
    mpsc_unmark_if_empty(ch);
    return false;
}

static void mpsc_serve_with(struct mpsc *ch, bool (*serve)(struct mpsc *, struct wakes *), const struct site *at)
{
    struct wakes wakes;
    bool more;

    wakes_clear(&wakes);
    do {
        mutex_lock_at(&ch->lock, at);
        more = serve(ch, &wakes);
        mutex_unlock_at(&ch->lock, at);
        wakes_go(&wakes, at);
    } while (more);
}

static void mpsc_return_room(struct mpsc *ch, uint32_t count, const struct site *at)
{
    /* relaxed: the slots are not used again, so whoever takes the room has nothing to see */
    if (atomic_fetch_add_explicit(&ch->state, count * ROOM, memory_order_relaxed) & SENDERS_WAIT)
        mpsc_serve_with(ch, mpsc_serve, at);
}

/* --- the future that sends --- */

/* Its turn to wait, or to learn that it need not. 0: it has room; -EAGAIN: it waits; -EPIPE. */
static int mpsc_send_wait(struct mpsc_send *self, struct context *cx)
{
    struct mpsc *ch = self->channel;
    struct waiter *w = &self->waiter;
    struct waker old = {0};
    int error = -EAGAIN;

    mutex_lock_at(&ch->lock, self->at);
    if (w->state == WAITER_GRANTED)
        error = w->wants ? 0 : -EPIPE;
    else if (w->state == WAITER_OUT)
        error = mpsc_take_room_or_mark(ch);
    if (error == -EAGAIN)
        old = waiter_wait(&ch->waiters, w, waiter_number(ch->number, &self->base), cx, self->at);
    mutex_unlock_at(&ch->lock, self->at);
    waiter_drop_waker(old, self->at);
    return error;
}

/* Claims with room that it was granted; if that fails, somebody else gets the room. */
static int mpsc_send_granted(struct mpsc_send *self, struct claim *claim)
{
    int error = mpsc_claim(self->channel, CLAIM, claim, self->at);
    if (error)
        mpsc_return_room(self->channel, 1, self->at);
    return error;
}

/* All that can be in the way of a send. */
static OUT_OF_LINE enum poll mpsc_send_go_on(struct mpsc_send *self, struct context *cx)
{
    struct claim claim;
    int error = -EAGAIN;

    if (!budget_spend(cx))
        return POLL_PENDING;
    if (!self->waiter.came)
        error = mpsc_claim(self->channel, self->channel->cost, &claim, self->at);
    if (error == -EAGAIN) {
        error = mpsc_send_wait(self, cx);
        if (error == -EAGAIN)
            return POLL_PENDING;
        if (!error)
            error = mpsc_send_granted(self, &claim);
    }
    if (!error)
        mpsc_put(self->channel, &claim, self->value, self->at);
    self->output = error;
    return POLL_READY;
}

static enum poll mpsc_send_poll(struct future *f, struct context *cx)
{
    struct mpsc_send *self = (struct mpsc_send *)f;

    if (budget_left == 0 || self->waiter.came || !mpsc_send_at_once(self->channel, self->value, self->at))
        return mpsc_send_go_on(self, cx);
    budget_left--;
    return POLL_READY;
}

static OUT_OF_LINE void mpsc_send_give_up(struct mpsc_send *self)
{
    struct mpsc *ch = self->channel;
    struct waker old = {0};

    mutex_lock_at(&ch->lock, self->at);
    bool granted = self->waiter.state == WAITER_GRANTED;
    if (!granted) {
        old = waiters_remove(&ch->waiters, &self->waiter, self->at);
        mpsc_unmark_if_empty(ch);
    }
    mutex_unlock_at(&ch->lock, self->at);
    waiter_drop_waker(old, self->at);
    if (granted && self->waiter.wants)
        mpsc_return_room(ch, 1, self->at);
}

static void mpsc_send_drop(struct future *f)
{
    struct mpsc_send *self = (struct mpsc_send *)f;

    if (waiter_is_unfinished(&self->waiter, f))
        mpsc_send_give_up(self);
}

FUTURE_TYPE_SHARED(mpsc_send, mpsc_send_poll, mpsc_send_drop);

/* --- senders come and go --- */

void mpsc_add_sender_at(struct mpsc *ch, const struct site *at)
{
    /* relaxed: whoever adds a sender is one, so the count cannot reach zero meanwhile */
    if (atomic_fetch_add_explicit(&ch->senders, 1, memory_order_relaxed) == 0)
        misuse(at, "channel %u gets a sender after its last one was dropped", ch->number);
}

/* The channel is the receiver's once GONE is set and RECEIVER_WAITS is clear: nothing of it is touched after. */
static void mpsc_all_senders_gone(struct mpsc *ch, const struct site *at)
{
    /* acquire: the receiver's waker (partner: mpsc_announce). release: all that the senders did (partner: mpsc_look) */
    if (!(atomic_fetch_or_explicit(&ch->state, GONE, memory_order_acq_rel) & RECEIVER_WAITS))
        return;
    struct waker receiver = waiter_read_waker(&ch->waiting, ch->number, at);
    /* release: the waker was read (partner: mpsc_look) */
    atomic_fetch_and_explicit(&ch->state, ~(uint64_t)RECEIVER_WAITS, memory_order_release);
    waker_wake_at(receiver, at);
}

void mpsc_drop_sender_at(struct mpsc *ch, const struct site *at)
{
    /* acq_rel: what each of them did comes before what the last one does here; its partner is itself */
    unsigned before = atomic_fetch_sub_explicit(&ch->senders, 1, memory_order_acq_rel);

    if (before == 0)
        misuse(at, "channel %u has more senders dropped than it had", ch->number);
    if (before == 1)
        mpsc_all_senders_gone(ch, at);
}

/* --- receiving --- */

/* One receive at a time. f: the one that asks, NULL if it will not wait. */
static void mpsc_check_receiver(const struct mpsc *ch, const struct future *f, const struct site *at)
{
    if (ch->receiver && ch->receiver != f)
        misuse(at, "two futures wait to receive from channel %u at the same time", ch->number);
}

/* The room of the value that was just received, and that of the rest of its group in advance. */
static OUT_OF_LINE void mpsc_pay_group(struct mpsc *ch, const struct site *at)
{
    ch->paid += ch->group;
    mpsc_return_room(ch, ch->group, at);
}

/* Copies the next value out, if its slot is full. */
static inline bool mpsc_take(struct mpsc *ch, void *value, const struct site *at)
{
    struct mpsc_slot *slot = mpsc_slot(ch, ch->first, ch->received);

    /* acquire: the value (partner: mpsc_fill) */
    if (!atomic_load_explicit(&slot->full, memory_order_acquire))
        return false;
    if (ch->announced) { /* the sender that claimed this slot has read the waker */
        ch->announced = false;
        ch->waiting = (struct waker){0};
    }
    mpsc_copy(value, slot->value, ch->size);
    if (++ch->received % SLOTS == 0)
        mpsc_next_block(ch);
    if (ch->received > ch->paid)
        mpsc_pay_group(ch, at);
    return true;
}

/* Why there is nothing to take, as of this state. 0: a slot is claimed, but not full; or the last sender has yet to read
 * the waker. -EAGAIN: nothing was sent. -EPIPE: and nothing will be. */
static int mpsc_why_empty(const struct mpsc *ch, uint64_t state)
{
    if ((ch->received - state / CLAIM) % (UINT64_MAX / CLAIM + 1) != 0)
        return 0;
    if (!(state & (CLOSED | GONE)))
        return -EAGAIN;
    return state & RECEIVER_WAITS ? 0 : -EPIPE;
}

int mpsc_try_recv_at(struct mpsc *ch, void *value, size_t size, const struct site *at)
{
    mpsc_check_size(ch, size, at);
    mpsc_check_receiver(ch, NULL, at);
    if (mpsc_take(ch, value, at))
        return 0;
    int why = mpsc_why_empty(ch, mpsc_look(ch));
    return why ? why : -EAGAIN;
}

/* RECEIVER_WAITS -> not, so that `waiting` is the receiver's again; false: the word has changed. */
static bool mpsc_recall(struct mpsc *ch, uint64_t *state)
{
    uint64_t after = *state & ~(uint64_t)RECEIVER_WAITS;

    if (!mpsc_change(ch, state, after))
        return false;
    *state = after;
    ch->announced = false;
    return true;
}

/* Lets the senders read `waiting`; false: the word has changed, something was sent meanwhile. */
static bool mpsc_announce(struct mpsc *ch, uint64_t state)
{
    ch->announced = mpsc_change(ch, &state, state | RECEIVER_WAITS);
    return ch->announced;
}

/* Leaves the waker of cx with the senders; false: look again. */
static bool mpsc_wait(struct mpsc *ch, uint64_t state, const struct context *cx, const struct site *at)
{
    if (state & RECEIVER_WAITS) {
        if (ch->waiting.vtable == cx->waker->vtable && ch->waiting.data == cx->waker->data)
            return true;
        if (!mpsc_recall(ch, &state))
            return false;
    }
    wait_start(&ch->waiting, cx, TRACE_SOURCE_SYNC, ch->number, at);
    return mpsc_announce(ch, state);
}

static enum poll mpsc_recv_ends(struct mpsc_recv *self, int output)
{
    struct mpsc *ch = self->channel;

    if (!ch->announced) /* a waker that was left, but not announced any more */
        wait_cancel(&ch->waiting, TRACE_SOURCE_SYNC, ch->number, self->at);
    ch->receiver = NULL;
    self->output = output;
    return POLL_READY;
}

/* It waits already, or may have to. */
static OUT_OF_LINE enum poll mpsc_recv_go_on(struct mpsc_recv *self, struct context *cx)
{
    struct mpsc *ch = self->channel;

    mpsc_check_receiver(ch, &self->base, self->at);
    ch->receiver = &self->base;
    if (!budget_spend(cx))
        return POLL_PENDING;
    for (;;) {
        if (mpsc_take(ch, self->value, self->at))
            return mpsc_recv_ends(self, 0);
        uint64_t state = mpsc_look(ch);
        int why = mpsc_why_empty(ch, state);
        if (why == -EPIPE)
            return mpsc_recv_ends(self, -EPIPE);
        if (why == 0) {
            waker_wake_by_ref_at(cx->waker, self->at);
            return POLL_PENDING;
        }
        if (mpsc_wait(ch, state, cx, self->at))
            return POLL_PENDING;
    }
}

static enum poll mpsc_recv_poll(struct future *f, struct context *cx)
{
    struct mpsc_recv *self = (struct mpsc_recv *)f;

    if (budget_left == 0 || self->channel->receiver || !mpsc_take(self->channel, self->value, self->at))
        return mpsc_recv_go_on(self, cx);
    budget_left--;
    return POLL_READY;
}

/* Takes the waker back. If a sender is reading it, it stays announced, and the next receive waits until that is over. */
static void mpsc_recv_drop(struct future *f)
{
    struct mpsc_recv *self = (struct mpsc_recv *)f;

    if (f->phase != FUTURE_STARTED)
        return; /* it never waited; or it is done, and the channel may be gone already */
    uint64_t state = mpsc_look(self->channel);
    while (state & RECEIVER_WAITS && !(state & GONE) && !mpsc_recall(self->channel, &state))
        ;
    mpsc_recv_ends(self, -ECANCELED);
}

FUTURE_TYPE_SHARED(mpsc_recv, mpsc_recv_poll, mpsc_recv_drop);

void mpsc_close_at(struct mpsc *ch, const struct site *at)
{
    mpsc_check_receiver(ch, NULL, at);
    /* relaxed: a sender that finds it has nothing to see. Who sets SENDERS_WAIT later finds it in the same step. */
    if (atomic_fetch_or_explicit(&ch->state, CLOSED, memory_order_relaxed) & SENDERS_WAIT)
        mpsc_serve_with(ch, mpsc_refuse_all, at);
}
