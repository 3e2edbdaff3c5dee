/* primes.c – counts the primes up to n with a segmented sieve of Eratosthenes.
 *
 * The default kernel: its answer is known to everyone who looks it up (π(10^k) is OEIS A006880), it
 * is pure computing, and it is honest work. The naive trial division of most demonstrations would
 * be slow for a reason that has nothing to do with the event loop; this sieve stays near
 * `primesieve -t1`.
 *
 * How it works. One byte stands for thirty numbers: its bits are the residues 1 7 11 13 17 19 23
 * 29, the only ones that 2, 3 and 5 leave (a mod-30 wheel). The numbers up to n pass through one
 * segment that fits a level 1 cache. Each segment is first stamped with ready-made patterns of the
 * multiples of the primes up to 53, then struck by the larger primes up to sqrt(n), each of which
 * remembers where it goes on in the next segment. What is left standing is prime, and a bit count
 * counts it.
 *
 * The unit is a segment, not a number: a shorter piece would cost as much walking through the base
 * primes, so a budget in numbers would promise a time that the sieve cannot keep. Later segments
 * cost more, because more primes strike them; `primes_size_of` allows for it.
 *
 * Rejected: one bit per odd number (half the code for the wheel, twice the time); bucket lists for
 * primes beyond the segment (they pay above 10^11 only); a Meissel–Lehmer count (far faster, but
 * its work is neither even nor easily cut into steps); larger segments (64 KiB is a tenth faster at
 * 10^10, where nobody waits for an answer, and a fifth slower at 10^8).
 *
 * Sources: C. Bays and R. H. Hudson, "The segmented sieve of Eratosthenes and primes in arithmetic
 * progressions to 10^12", BIT 17 (1977); P. Pritchard, "Explaining the wheel sieve", Acta
 * Informatica 17 (1982); K. Walisch's primesieve for the turn of eight unrolled strikes and the
 * stamped patterns. */
#include "kernel/kernel.h"
#include "kernel/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHEEL = 30,
    SPOKES = 8, /* residues that are prime to 30: one bit each */
    SEGMENT_BYTES = 32 * 1024,
    BLOCK_BYTES = 64, /* patterns are stamped block by block; divides SEGMENT_BYTES */
    PATTERNS = 5,
    PATTERN_BYTES_MAX = 7 * 11 * 13 * 17,
    FIRST_STRIKING_PRIME = 59, /* the smaller ones are stamped */
};

#define SIZE_MAX_N  UINT64_C(100000000000) /* 10^11: half a minute */
#define SAMPLE_SIZE 100000000

static const unsigned char residues[SPOKES] = {1, 7, 11, 13, 17, 19, 23, 29};
static const unsigned char gaps[SPOKES] = {6, 4, 2, 4, 2, 4, 6, 2}; /* from each to the next */

/* The primes of each pattern; a pattern repeats after their product, in bytes. */
static const unsigned char pattern_primes[PATTERNS][4] = {
    {7, 11, 13, 17}, {19, 23, 29}, {31, 37}, {41, 43}, {47, 53}};

/* The multiples p·q of a prime p ≡ residues[r] on the spoke of q: which bit it is, and how many
 * bytes the step to the next spoke adds to gap · (p / 30). */
struct spoke {
    unsigned char keep; /* all bits but the multiple's */
    unsigned char carry;
};

struct base_prime {
    uint32_t prime;
    uint32_t next;       /* byte of its next multiple, counted from the start of the segment */
    unsigned char row;   /* of the table of spokes: the index of its residue */
    unsigned char spoke; /* index of the residue of the next cofactor */
};

struct pattern {
    size_t period, at;
    unsigned char bits[PATTERN_BYTES_MAX + BLOCK_BYTES]; /* the start again at the end */
};

struct primes {
    uint64_t n;
    uint64_t bytes_total, bytes_done; /* of the wheel: n / 30 + 1 of them */
    uint64_t count, largest;
    struct base_prime *base;
    size_t base_count, base_active; /* active: those whose square was reached */
    struct spoke spokes[SPOKES][SPOKES];
    struct pattern patterns[PATTERNS];
    unsigned char bits[SEGMENT_BYTES];
};

/* ---------------------------------------------------------------- the wheel */

static unsigned spoke_index(unsigned residue)
{
    unsigned index = 0;
    while (residues[index] != residue)
        index++;
    return index;
}

static void fill_spokes(struct spoke spokes[SPOKES][SPOKES])
{
    for (unsigned row = 0; row < SPOKES; row++) {
        for (unsigned spoke = 0; spoke < SPOKES; spoke++) {
            unsigned product = residues[row] * residues[spoke];
            unsigned next = product + residues[row] * gaps[spoke];
            spokes[row][spoke].keep = (unsigned char)~(1U << spoke_index(product % WHEEL));
            spokes[row][spoke].carry = (unsigned char)(next / WHEEL - product / WHEEL);
        }
    }
}

/* ---------------------------------------------------------------- stamping small primes */

/* On one spoke the multiples of a prime lie that many bytes apart. */
static void clear_multiples(struct pattern *pattern, unsigned prime, unsigned spoke)
{
    size_t at = 0;
    while ((WHEEL * at + residues[spoke]) % prime != 0)
        at++;
    for (; at < pattern->period; at += prime)
        pattern->bits[at] &= (unsigned char)~(1U << spoke);
}

static void fill_pattern(struct pattern *pattern, const unsigned char primes[4])
{
    pattern->period = 1;
    for (unsigned i = 0; i < 4 && primes[i] != 0; i++)
        pattern->period *= primes[i];
    memset(pattern->bits, 0xff, pattern->period);
    for (unsigned i = 0; i < 4 && primes[i] != 0; i++)
        for (unsigned spoke = 0; spoke < SPOKES; spoke++)
            clear_multiples(pattern, primes[i], spoke);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pattern->bits[pattern->period + i] = pattern->bits[i];
}

/* Fills the segment with what no pattern's prime divides. */
static void stamp(struct primes *primes, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES) {
        uint64_t block[BLOCK_BYTES / 8], words[BLOCK_BYTES / 8];
        memset(block, 0xff, sizeof block);
        for (struct pattern *pattern = primes->patterns; pattern < primes->patterns + PATTERNS;
             pattern++) {
            memcpy(words, pattern->bits + pattern->at, sizeof words);
            for (size_t i = 0; i < BLOCK_BYTES / 8; i++)
                block[i] &= words[i];
            pattern->at += BLOCK_BYTES;
            if (pattern->at >= pattern->period)
                pattern->at -= pattern->period;
        }
        memcpy(primes->bits + at, block, sizeof block);
    }
}

/* ---------------------------------------------------------------- striking multiples */

/* One multiple after the other: for the start and the end of a prime's way through a segment. */
static inline size_t strike_one(unsigned char *bits, size_t at, struct base_prime *base,
                                const struct spoke spokes[SPOKES])
{
    unsigned spoke = base->spoke;
    bits[at] &= spokes[spoke].keep;
    base->spoke = (unsigned char)((spoke + 1) % SPOKES);
    return at + (size_t)gaps[spoke] * (base->prime / WHEEL) + spokes[spoke].carry;
}

/* Whole turns of the wheel, eight multiples and `prime` bytes each, from a cofactor ≡ 1 on.
 * This loop is where the time goes: the offsets and masks stay in registers. */
static size_t strike_turns(unsigned char *bits, size_t bytes, size_t at, uint32_t prime,
                           const struct spoke spokes[SPOKES])
{
    size_t offset[SPOKES] = {0};
    for (unsigned i = 0; i + 1 < SPOKES; i++)
        offset[i + 1] = offset[i] + (size_t)gaps[i] * (prime / WHEEL) + spokes[i].carry;
    for (; at + offset[SPOKES - 1] < bytes; at += prime) {
        unsigned char *turn = bits + at;
        turn[0] &= spokes[0].keep;
        turn[offset[1]] &= spokes[1].keep;
        turn[offset[2]] &= spokes[2].keep;
        turn[offset[3]] &= spokes[3].keep;
        turn[offset[4]] &= spokes[4].keep;
        turn[offset[5]] &= spokes[5].keep;
        turn[offset[6]] &= spokes[6].keep;
        turn[offset[7]] &= spokes[7].keep;
    }
    return at;
}

static void strike(struct primes *primes, size_t bytes, struct base_prime *base)
{
    const struct spoke *spokes = primes->spokes[base->row];
    size_t at = base->next;
    while (at < bytes && base->spoke != 0)
        at = strike_one(primes->bits, at, base, spokes);
    if (base->spoke == 0 && at + 2 * base->prime < bytes)
        at = strike_turns(primes->bits, bytes, at, base->prime, spokes);
    while (at < bytes)
        at = strike_one(primes->bits, at, base, spokes);
    base->next = (uint32_t)(at - bytes);
}

/* A prime strikes from its square on: smaller multiples have a smaller factor. */
static void activate(struct primes *primes, size_t bytes)
{
    while (primes->base_active < primes->base_count) {
        struct base_prime *base = &primes->base[primes->base_active];
        uint64_t square_byte = (uint64_t)base->prime * base->prime / WHEEL;
        if (square_byte >= primes->bytes_done + bytes)
            break;
        base->next = (uint32_t)(square_byte - primes->bytes_done);
        base->spoke = base->row;
        primes->base_active++;
    }
}

/* ---------------------------------------------------------------- counting */

/* Adds up pairs, nibbles and bytes in a register: the compiler's own popcount is a call to a table
 * look-up where the processor is not known to have the instruction. */
static unsigned count_bits(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
}

static void count(struct primes *primes, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, primes->bits + at, sizeof word);
        primes->count += count_bits(word);
    }
    size_t last = bytes;
    while (last > 0 && primes->bits[last - 1] == 0)
        last--;
    if (last == 0)
        return;
    unsigned spoke = SPOKES - 1;
    while ((primes->bits[last - 1] >> spoke & 1) == 0)
        spoke--;
    primes->largest = (primes->bytes_done + last - 1) * WHEEL + residues[spoke];
}

/* Mends both ends of the range: the first bytes, in which the patterns struck their own primes and
 * left 1 standing, and the last, which may reach beyond n. */
static void trim(struct primes *primes, size_t bytes)
{
    if (primes->bytes_done == 0) {
        primes->bits[0] = 0xfe; /* 7 11 13 17 19 23 29, not 1 */
        primes->bits[1] = 0xdf; /* 31 37 41 43 47 53 59, not 49 */
    }
    if (primes->bytes_done + bytes < primes->bytes_total)
        return;
    for (unsigned spoke = 0; spoke < SPOKES; spoke++)
        if (residues[spoke] > primes->n % WHEEL)
            primes->bits[bytes - 1] &= (unsigned char)~(1U << spoke);
    memset(primes->bits + bytes, 0, SEGMENT_BYTES - bytes);
}

static void sieve_segment(struct primes *primes)
{
    uint64_t left = primes->bytes_total - primes->bytes_done;
    size_t bytes = left < SEGMENT_BYTES ? (size_t)left : SEGMENT_BYTES;
    stamp(primes, bytes);
    activate(primes, bytes);
    for (size_t i = 0; i < primes->base_active; i++)
        strike(primes, bytes, &primes->base[i]);
    trim(primes, bytes);
    count(primes, bytes);
    primes->bytes_done += bytes;
}

/* ---------------------------------------------------------------- the kernel */

static uint32_t square_root_of(uint64_t n)
{
    uint32_t root = 0;
    while ((uint64_t)(root + 1) * (root + 1) <= n)
        root++;
    return root;
}

/* Keeps the primes that strike: from FIRST_STRIKING_PRIME to `upto`. `composite` is zeroed. */
static void keep_base_primes(struct primes *primes, unsigned char *composite, uint32_t upto)
{
    for (uint32_t i = 2; i <= upto; i++) {
        if (composite[i])
            continue;
        for (uint64_t multiple = (uint64_t)i * i; multiple <= upto; multiple += i)
            composite[multiple] = 1;
        if (i >= FIRST_STRIKING_PRIME)
            primes->base[primes->base_count++] =
                (struct base_prime){.prime = i, .row = (unsigned char)spoke_index(i % WHEEL)};
    }
}

/* A plain sieve up to the square root: at most 10^5 numbers, so bounded. */
static int find_base_primes(struct primes *primes)
{
    uint32_t upto = square_root_of(primes->n);
    unsigned char *composite = calloc(upto + 1, 1);
    primes->base = calloc(upto / 2 + 1, sizeof *primes->base); /* every other number at most */
    int status = composite != NULL && primes->base != NULL ? 0 : -ENOMEM;
    if (status == 0)
        keep_base_primes(primes, composite, upto);
    else
        free(primes->base);
    free(composite);
    return status;
}

/* The primes that the wheel leaves out. */
static void count_wheel_primes(struct primes *primes)
{
    static const unsigned char wheel_primes[] = {2, 3, 5};
    for (size_t i = 0; i < sizeof wheel_primes && wheel_primes[i] <= primes->n; i++) {
        primes->count++;
        primes->largest = wheel_primes[i];
    }
}

static int primes_init(void *state, const struct kernel_arguments *arguments, uint64_t *total_units)
{
    struct primes *primes = state;
    primes->n = arguments->values[0];
    primes->bytes_total = primes->n / WHEEL + 1;
    count_wheel_primes(primes);
    fill_spokes(primes->spokes);
    for (unsigned i = 0; i < PATTERNS; i++)
        fill_pattern(&primes->patterns[i], pattern_primes[i]);
    *total_units = (primes->bytes_total + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
    return find_base_primes(primes);
}

static uint64_t primes_step(void *state, uint64_t budget)
{
    struct primes *primes = state;
    uint64_t segments = 0;
    for (; segments < budget && primes->bytes_done < primes->bytes_total; segments++)
        sieve_segment(primes);
    return segments;
}

static int primes_finish(void *state, struct kernel_result *result)
{
    const struct primes *primes = state;
    result->numbers[0] = (struct kernel_number){
        .name = "primes", .type = KERNEL_INTEGER, .value.integer = primes->count};
    result->numbers[1] = (struct kernel_number){
        .name = "largest", .type = KERNEL_INTEGER, .value.integer = primes->largest};
    result->number_count = 2;
    return 0;
}

static void primes_close(void *state)
{
    struct primes *primes = state;
    free(primes->base);
}

/* Sieving up to n costs about n^1.18: measured, it holds within a tenth between 10^7 and 10^10.
 * Units are taken at what they cost in the sample. */
static uint64_t primes_size_of(uint64_t units)
{
    const double sample_units = (double)SAMPLE_SIZE / (double)WHEEL / (double)SEGMENT_BYTES;
    double size = SAMPLE_SIZE * pow((double)units / sample_units, 1 / 1.18);
    return size < (double)SIZE_MAX_N ? (uint64_t)size : SIZE_MAX_N;
}

const struct kernel kernel_primes = {
    .name = "primes",
    .help = "count the primes up to n with a segmented sieve",
    .unit = "segments",
    .parameters = {{"n", "count the primes up to this number", 0, SIZE_MAX_N, 1000000000}},
    .step_units = 8,
    .sample_size = SAMPLE_SIZE,
    .size_of = primes_size_of,
    .state_bytes = sizeof(struct primes),
    .init = primes_init,
    .step = primes_step,
    .finish = primes_finish,
    .close = primes_close,
};
