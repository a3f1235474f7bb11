/* Atomics, by the rules of C11: which values may a load return?
 *
 * The compiler is told to build for its thread sanitizer, and so turns each atomic operation into a call of a function
 * below, with its memory order. (The sanitizer's own functions are not linked.)
 *
 * Each atomic variable has a history: its stores in modification order. A load may return the newest, or an older one
 * unless the thread must know better:
 *   coherence   a thread that has read or written store k, or for which that happened before in another thread, never
 *               goes back behind k. Each store notes who saw it first at which step; a clock says what happened before.
 *   seq_cst     all such operations are in one order, which here is the order in which they are made. So a seq_cst load
 *               does not go back behind what a seq_cst operation has read or written before.
 *   progress    a store cannot be overlooked for ever: a thread returns an outdated one STALE_READS times at most.
 * A read-modify-write reads the newest; one that fails is a load, and may fail for an older value.
 *
 * A release store keeps the clock of its thread. Who reads it with acquire takes that clock over: all that happened
 * before the store has now happened before the load. A read-modify-write passes the clock of the store that it replaces
 * on; a plain store does not, even by the same thread (C++20 and C23 say so, C11 did not: what is right with less is
 * right).
 *
 * Not produced: a load that sees a store made later (load buffering), and a modification order other than the order in
 * which the stores are made. README.md says what that means. */
#include "core.h"

#include <stdatomic.h>
#include <string.h>

enum { STALE_READS = 2, SPINNING = 3, MAX_STORES = 1 << 17, MAX_LOCATIONS = 1 << 14, MAX_CANDIDATES = 16 };

struct store {
    struct store *older;
    uint64_t value;
    uint32_t number;
    bool in_order;              /* a seq_cst operation wrote or read it */
    struct clock released;      /* what who reads it with acquire learns */
    uint32_t seen[MAX_THREADS]; /* at which step a thread first read or wrote it; 0: not yet */
    uint8_t reads[MAX_THREADS];
};

struct location {
    struct location *next; /* another one in the same slot */
    const void *address;
    struct store *newest;
};

static struct store *stores; /* outside of the run */
static struct location *locations;

/* Of this run. */
static uint32_t store_count, location_count;

void atomics_init(void)
{
    stores = memory_reserve(MAX_STORES * sizeof *stores);
    locations = memory_reserve(MAX_LOCATIONS * sizeof *locations);
}

/* ---- histories ---- */

static bool acquires(int order)
{
    return order != memory_order_relaxed && order != memory_order_release;
}

static bool releases(int order)
{
    return order == memory_order_release || order == memory_order_acq_rel || order == memory_order_seq_cst;
}

uint64_t value_read(const void *address, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, address, size);
    return value;
}

static void see(struct store *s, int order)
{
    struct thread *self = me();

    if (s->seen[self->id] == 0)
        s->seen[self->id] = self->clock.at[self->id];
    s->in_order |= order == memory_order_seq_cst;
    if (acquires(order))
        clock_join(&self->clock, &s->released);
}

static struct store *store_new(struct location *l, uint64_t value)
{
    if (store_count == MAX_STORES)
        fail(NULL, "a run makes more than %d stores", MAX_STORES);
    struct store *s = &stores[store_count];
    *s = (struct store){.older = l->newest, .value = value, .number = ++store_count};
    l->newest = s;
    return s;
}

/* What was there before the first atomic operation is a store that everybody knows. */
static struct location *location_new(const void *address, unsigned size, struct location *next)
{
    if (location_count == MAX_LOCATIONS)
        fail(NULL, "a run has more than %d atomic variables", MAX_LOCATIONS);
    struct location *l = &locations[location_count++];
    *l = (struct location){.next = next, .address = address};
    store_new(l, value_read(address, size));
    return l;
}

static struct location *location_find(const void *address)
{
    struct location **slot = location_slot(address);

    if (!slot)
        fail(me()->pc, "an atomic operation on memory that is not the model's");
    struct location *l = *slot;
    while (l && l->address != address)
        l = l->next;
    return l;
}

static struct location *location_of(const void *address, unsigned size)
{
    struct location *l = location_find(address);
    struct location **slot = location_slot(address);

    return l ? l : (*slot = location_new(address, size, *slot));
}

void locations_forget(const void *address, size_t size)
{
    uintptr_t start = (uintptr_t)address;

    for (uintptr_t at = start & ~(uintptr_t)7; at < start + size; at += 8)
        for (struct location **l = location_slot((void *)at); l && *l;)
            if ((uintptr_t)(*l)->address - start < size)
                *l = (*l)->next;
            else
                l = &(*l)->next;
}

/* ---- loads ---- */

/* Has the calling thread to know this store? */
static bool is_known(const struct store *s)
{
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (s->seen[i] && clock_has(&me()->clock, i, s->seen[i]))
            return true;
    return false;
}

/* Chooses the store that is read. skip: outdated stores of this value are no answer (NULL: all are). */
static struct store *choose_store(struct location *l, int order, const uint64_t *skip)
{
    struct store *candidates[MAX_CANDIDATES] = {l->newest};
    unsigned n = 1;

    for (struct store *s = l->newest; s->older && n < MAX_CANDIDATES; s = s->older) {
        if (is_known(s) || (order == memory_order_seq_cst && s->in_order))
            break;
        struct store *older = s->older;
        if (older->reads[me()->id] < STALE_READS && !(skip && older->value == *skip))
            candidates[n++] = older;
    }
    struct store *s = candidates[choose_age(n)];
    if (s != l->newest) {
        s->reads[me()->id]++;
        note_old_value(s->value);
    }
    return s;
}

/* A thread that reads the same at the same place again and again waits for another thread. */
static void notice_spinning(const struct store *s)
{
    struct thread *self = me();
    bool again = self->seen_pc == self->pc && self->seen_store == s->number;

    self->seen_times = again ? self->seen_times + 1 : 1;
    self->seen_pc = self->pc;
    self->seen_store = s->number;
    if (self->seen_times >= SPINNING)
        give_way();
}

static const char *order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
    return names[order];
}

static uint64_t read_store(struct location *l, struct store *s, int order)
{
    see(s, order);
    notice_spinning(s);
    if (s != l->newest)
        tell(me()->pc, "%s load: an old value, %#llx; the newest is %#llx", order_name(order),
             (unsigned long long)s->value, (unsigned long long)l->newest->value);
    else
        tell(me()->pc, "%s load: %#llx", order_name(order), (unsigned long long)s->value);
    point_done();
    return s->value;
}

/* A change that is none of the model's. Returns the value before. */
static uint64_t overwrite(volatile void *address, unsigned size, uint64_t value)
{
    uint64_t before = value_read((const void *)address, size);

    memcpy((void *)address, &value, size);
    return before;
}

static void atomic_begin(enum op op, const volatile void *address, unsigned size, unsigned access, const void *pc)
{
    point(op, (const void *)address, NULL, pc);
    check_access((const void *)address, size, ACCESS_ATOMIC | access, pc);
}

static uint64_t load(const volatile void *address, unsigned size, int order, const void *pc)
{
    if (is_tracing())
        return value_read((const void *)address, size);
    /* Two seq_cst loads of one variable do not commute: the first keeps the second from going back. */
    atomic_begin(order == memory_order_seq_cst ? OP_CHANGE : OP_LOOK, address, size, ACCESS_READ, pc);
    struct location *l = location_of((const void *)address, size);
    return read_store(l, choose_store(l, order, NULL), order);
}

/* ---- stores and read-modify-writes ---- */

static struct store *append(struct location *l, unsigned size, uint64_t value, int order)
{
    struct store *s = store_new(l, value);

    see(s, order & ~memory_order_acquire);
    if (order == memory_order_seq_cst)
        s->in_order = true;
    if (releases(order))
        s->released = me()->clock;
    memcpy((void *)l->address, &value, size);
    count_change();
    return s;
}

static void store(volatile void *address, unsigned size, uint64_t value, int order, const void *pc)
{
    atomic_begin(OP_CHANGE, address, size, ACCESS_WRITE, pc);
    append(location_of((const void *)address, size), size, value, order);
    tell(pc, "%s store: %#llx", order_name(order), (unsigned long long)value);
    point_done();
}

static uint64_t replace(struct location *l, unsigned size, uint64_t value, int order)
{
    struct store *before = l->newest;

    see(before, order);
    struct store *s = append(l, size, value, order);
    clock_join(&s->released, &before->released);
    tell(me()->pc, "%s read-modify-write: %#llx -> %#llx", order_name(order), (unsigned long long)before->value,
         (unsigned long long)value);
    point_done();
    return before->value;
}

enum change { EXCHANGE, ADD, SUB, AND, OR, XOR, NAND };

static uint64_t changed(enum change change, uint64_t value, uint64_t by)
{
    switch (change) {
    case ADD:
        return value + by;
    case SUB:
        return value - by;
    case AND:
        return value & by;
    case OR:
        return value | by;
    case XOR:
        return value ^ by;
    case NAND:
        return ~(value & by);
    default:
        return by;
    }
}

static uint64_t narrow(uint64_t value, unsigned size)
{
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

static uint64_t modify(volatile void *address, unsigned size, enum change change, uint64_t by, int order,
                       const void *pc)
{
    if (is_tracing())
        return overwrite(address, size, changed(change, value_read((const void *)address, size), by));
    atomic_begin(OP_CHANGE, address, size, ACCESS_WRITE, pc);
    struct location *l = location_of((const void *)address, size);
    return replace(l, size, narrow(changed(change, l->newest->value, by), size), order);
}

/* Returns what was read: `expected` if the exchange was made. */
static bool compare_exchange(volatile void *address, unsigned size, uint64_t *expected, uint64_t value, int order,
                             int failure, bool weak, const void *pc)
{
    if (is_tracing()) {
        uint64_t now = value_read((const void *)address, size), wanted = *expected;
        *expected = overwrite(address, size, now == wanted ? value : now);
        return now == wanted;
    }
    atomic_begin(OP_CHANGE, address, size, ACCESS_WRITE, pc);
    struct location *l = location_of((const void *)address, size);
    struct store *s = choose_store(l, failure, expected);

    if (s->value != *expected || (weak && choose_spurious())) {
        *expected = read_store(l, s, failure);
        return false;
    }
    replace(l, size, value, order);
    return true;
}

/* ---- what the compiler calls ---- */

#define ATOMICS(bits)                                                                                                  \
    typedef uint##bits##_t u##bits;                                                                                    \
    u##bits __tsan_atomic##bits##_load(const volatile u##bits *a, int order);                                          \
    void __tsan_atomic##bits##_store(volatile u##bits *a, u##bits v, int order);                                       \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile u##bits *a, u##bits *c, u##bits v, int order, int f);   \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile u##bits *a, u##bits *c, u##bits v, int order, int f);     \
    u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *a, u##bits c, u##bits v, int order, int f);   \
                                                                                                                       \
    u##bits __tsan_atomic##bits##_load(const volatile u##bits *a, int order)                                           \
    {                                                                                                                  \
        return (u##bits)load(a, sizeof *a, order, CALLER);                                                             \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile u##bits *a, u##bits v, int order)                                        \
    {                                                                                                                  \
        store(a, sizeof *a, v, order, CALLER);                                                                         \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile u##bits *a, u##bits *c, u##bits v, int order, int f)    \
    {                                                                                                                  \
        uint64_t expected = *c;                                                                                        \
        bool done = compare_exchange(a, sizeof *a, &expected, v, order, f, false, CALLER);                             \
        *c = (u##bits)expected;                                                                                        \
        return done;                                                                                                   \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile u##bits *a, u##bits *c, u##bits v, int order, int f)      \
    {                                                                                                                  \
        uint64_t expected = *c;                                                                                        \
        bool done = compare_exchange(a, sizeof *a, &expected, v, order, f, true, CALLER);                              \
        *c = (u##bits)expected;                                                                                        \
        return done;                                                                                                   \
    }                                                                                                                  \
    u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *a, u##bits c, u##bits v, int order, int f)    \
    {                                                                                                                  \
        uint64_t expected = c;                                                                                         \
        compare_exchange(a, sizeof *a, &expected, v, order, f, false, CALLER);                                         \
        return (u##bits)expected;                                                                                      \
    }

#define MODIFY(bits, name, change)                                                                                     \
    u##bits __tsan_atomic##bits##_##name(volatile u##bits *a, u##bits v, int order);                                   \
    u##bits __tsan_atomic##bits##_##name(volatile u##bits *a, u##bits v, int order)                                    \
    {                                                                                                                  \
        return (u##bits)modify(a, sizeof *a, change, v, order, CALLER);                                                \
    }

#define ALL(bits)                                                                                                      \
    ATOMICS(bits)                                                                                                      \
    MODIFY(bits, exchange, EXCHANGE)                                                                                   \
    MODIFY(bits, fetch_add, ADD)                                                                                       \
    MODIFY(bits, fetch_sub, SUB)                                                                                       \
    MODIFY(bits, fetch_and, AND)                                                                                       \
    MODIFY(bits, fetch_or, OR)                                                                                         \
    MODIFY(bits, fetch_xor, XOR)                                                                                       \
    MODIFY(bits, fetch_nand, NAND)

ALL(8)
ALL(16)
ALL(32)
ALL(64)
