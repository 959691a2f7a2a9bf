// A whole SAC update in C: native.py compiles and calls it, sac.py has the same in torch, readable
// and slower, and the tests compare the two number by number.
//
// Matrices are row-major float32. An ensemble of E networks with two hidden layers lies in one flat
// array: weights (E, in, out) and biases (E, out) of each layer in turn. Stages of an update are
// loops over independent items: shares of the batch's rows, and the networks of the ensemble. The
// items are the same however many threads work on them, and sums over items are taken in order, so
// the number of threads changes not one bit.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "products.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { LAYERS = 3, LANES = 16 };
enum { PIECE = 1024 }; // parameters that a thread takes at a time

typedef struct {
    long count, inputs, width, outputs, layer_norm;
} Shape;

typedef struct {
    float *value, *first, *second, *step; // parameters, Adam's moments and its step count
    float *average;                       // follows the parameters, or NULL
    long size;
    float rate, decay, share; // step size, weight decay, what moves into the average
} Group;

typedef struct {
    Shape actor, critics;
    Group actor_group, critic_group, alpha_group; // critics' average: the targets
    long obs, actions, batch;
    long shares, threads;         // of the rows; how many work on them
    long entropy_in_target; // 0: the critics do not count it
    long clamped;           // the log standard deviation is cut off, not squashed into its range
    float gamma, target_entropy, low, high; // low, high: that range
    float limit;                            // of normalized observations
    float lowest, highest, risk; // atoms of categorical critics, which have more than one output
    Gemm *gemm;
    const float *shift, *scale; // normalization of observations
    float *scratch;
} Learner;

typedef struct {
    const float *obs, *action, *reward, *next_obs, *terminated;
    long row[5];        // elements between two rows of each
    const float *noise; // (batch, actions), of the next action
    const float *actor_noise; // the same, of the actor's update; NULL: no such update
} Batch;

typedef struct {
    float critic_loss, value, actor_loss, entropy, alpha_loss;
    float low_end, high_end; // of the support, probability in the goals of categorical critics
} Metrics;

// -- elementary functions, in a form that compilers vectorize ---------------------------------

typedef union {
    int bits;
    float value;
} Float;

// exp for |x| < 87 with a relative error of 1e-7 (Cephes' polynomial).
static inline float exponential(float x)
{
    float n = rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    Float power = {.bits = ((int)n + 127) << 23};
    return (p * r * r + r + 1.0f) * power.value;
}

// log(1 + x) for x in [0, 1], with an absolute error of 1e-7: the series of atanh(x / (2 + x)).
static inline float log_one_plus(float x)
{
    float s = x / (2.0f + x), q = s * s; // s <= 1/3
    float p = 2.0f / 13.0f;
    p = p * q + 2.0f / 11.0f;
    p = p * q + 2.0f / 9.0f;
    p = p * q + 2.0f / 7.0f;
    p = p * q + 2.0f / 5.0f;
    p = p * q + 2.0f / 3.0f;
    return (p * q + 2.0f) * s;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// exp(-2 x) for x >= 0. NaN stays what it is.
static inline float decay(float x) { return exponential(-2.0f * (x > 40.0f ? 40.0f : x)); }

static inline float hyperbolic_tangent(float x)
{
    float e = decay(fabsf(x));
    return copysignf((1.0f - e) / (1.0f + e), x);
}

#include "categorical_critic.h"

// -- hidden layers ----------------------------------------------------------------------------

// z <- layer norm of (z + bias), y <- silu(z), scale <- 1 / deviation; rows of `width`. Moments of
// some rows come first: the CPU works on one while the sum across the lanes of another completes.
static void norm_silu(float *z, const float *bias, float *y, float *scale, long rows, long width)
{
    for (long start = 0; start < rows; start += LANES) {
        long end = start + LANES < rows ? start + LANES : rows;
        float means[LANES];
        for (long row = start; row < end; row++) {
            const float *zs = z + row * width;
            float sum = 0.0f, square = 0.0f;
#pragma omp simd reduction(+ : sum, square)
            for (long i = 0; i < width; i++) {
                float x = zs[i] + bias[i];
                sum += x;
                square += x * x;
            }
            float mean = sum / width, variance = square / width - mean * mean;
            means[row - start] = mean;
            scale[row] = 1.0f / sqrtf((variance > 0.0f ? variance : 0.0f) + 1e-5f);
        }
        for (long row = start; row < end; row++) {
            float *zs = z + row * width, *ys = y + row * width;
            float mean = means[row - start], r = scale[row];
#pragma omp simd
            for (long i = 0; i < width; i++) {
                float n = (zs[i] + bias[i] - mean) * r;
                zs[i] = n;
                ys[i] = n * sigmoid(n);
            }
        }
    }
}

// slope at y -> slope at z + bias, in place; bias_slope, or NULL: its sum over rows.
static void norm_silu_backward(float *slope, const float *z, const float *scale, float *bias_slope,
                               long rows, long width)
{
    for (long row = 0; row < rows; row++) {
        float *g = slope + row * width, mean = 0.0f, along = 0.0f, r = scale[row];
        const float *n = z + row * width;
#pragma omp simd reduction(+ : mean, along)
        for (long i = 0; i < width; i++) {
            float s = sigmoid(n[i]);
            g[i] *= s * (1.0f + n[i] * (1.0f - s));
            mean += g[i];
            along += g[i] * n[i];
        }
        mean /= width;
        along /= width;
#pragma omp simd
        for (long i = 0; i < width; i++)
            g[i] = r * (g[i] - mean - n[i] * along);
        if (bias_slope)
#pragma omp simd
            for (long i = 0; i < width; i++)
                bias_slope[i] += g[i];
    }
}

// y <- max(z + bias, 0), which may be z.
static void relu(const float *z, const float *bias, float *y, long rows, long width)
{
    for (long row = 0; row < rows; row++)
#pragma omp simd
        for (long i = 0; i < width; i++) {
            float x = z[row * width + i] + bias[i];
            y[row * width + i] = x < 0.0f ? 0.0f : x; // keeps NaN
        }
}

static void relu_backward(float *slope, const float *y, float *bias_slope, long rows, long width)
{
    for (long row = 0; row < rows; row++) {
        float *g = slope + row * width;
#pragma omp simd
        for (long i = 0; i < width; i++)
            g[i] = y[row * width + i] > 0.0f ? g[i] : 0.0f;
        if (bias_slope)
#pragma omp simd
            for (long i = 0; i < width; i++)
                bias_slope[i] += g[i];
    }
}

// -- one network of an ensemble ---------------------------------------------------------------

typedef struct {
    long in[LAYERS], out[LAYERS];
    float *weight[LAYERS], *bias[LAYERS];
} Network;

// What a forward pass leaves for the backward pass, each (batch, ...).
typedef struct {
    float *x;    // inputs; the actor sees fewer columns of them than the critics
    long stride; // elements between two rows of x
    float *z[2], *y[2], *scale[2], *out, *slope[2];
} Trace;

// Where network `member` lies in the flat array of its ensemble.
static Network member(const Shape *shape, float *flat, long number)
{
    Network net = {.in = {shape->inputs, shape->width, shape->width},
                   .out = {shape->width, shape->width, shape->outputs}};
    for (long i = 0; i < LAYERS; i++) {
        net.weight[i] = flat + number * net.in[i] * net.out[i];
        flat += shape->count * net.in[i] * net.out[i];
        net.bias[i] = flat + number * net.out[i];
        flat += shape->count * net.out[i];
    }
    return net;
}

// Rows `first` to `first + rows` of trace.x -> those of trace.out.
static void forward(Gemm *gemm, const Network *net, long layer_norm, Trace *trace, long first,
                    long rows)
{
    const float *h = trace->x + first * trace->stride;
    long stride = trace->stride;
    for (long i = 0; i < 2; i++) {
        long width = net->out[i];
        float *z = trace->z[i] + first * width, *y = trace->y[i] + first * width;
        product(gemm, h, stride, net->weight[i], z, rows, net->in[i], width);
        if (layer_norm)
            norm_silu(z, net->bias[i], y, trace->scale[i] + first, rows, width);
        else
            relu(z, net->bias[i], y, rows, width);
        h = y;
        stride = width;
    }
    long outputs = net->out[2];
    float *out = trace->out + first * outputs;
    product(gemm, h, stride, net->weight[2], out, rows, net->in[2], outputs);
    for (long row = 0; row < rows; row++)
        for (long i = 0; i < outputs; i++)
            out[row * outputs + i] += net->bias[2][i];
}

// What the slope by the inputs needs of a row of the trace, moved to a row before it.
static void keep(Trace *trace, long width, long row, long to)
{
    for (long i = 0; i < 2; i++) {
        memmove(trace->z[i] + to * width, trace->z[i] + row * width, width * sizeof(float));
        trace->scale[i][to] = trace->scale[i][row];
    }
}

// Slope at trace.out, (batch, outputs) -> gradient by the parameters (NULL: not wanted; its biases
// must be zero before) and by the inputs from `fixed` on, (batch, inputs - fixed) (NULL likewise).
static void backward(Gemm *gemm, const Network *net, long layer_norm, Trace *trace,
                     const float *out_slope, const Network *gradient, float *x_slope, long fixed,
                     long first, long rows)
{
    const float *slope = out_slope + first * net->out[2];
    if (gradient)
        for (long row = 0; row < rows; row++)
            for (long i = 0; i < net->out[2]; i++)
                gradient->bias[2][i] += slope[row * net->out[2] + i];
    for (long i = 2; i >= 0; i--) {
        long in = net->in[i], out = net->out[i];
        long stride = i ? in : trace->stride;
        const float *h = (i ? trace->y[i - 1] : trace->x) + first * stride;
        if (gradient)
            product_left(gemm, h, stride, slope, gradient->weight[i], in, rows, out);
        if (i == 0)
            break;
        float *below = trace->slope[i - 1] + first * in;
        float *sums = gradient ? gradient->bias[i - 1] : NULL;
        product_right(gemm, slope, net->weight[i], below, rows, out, in);
        if (layer_norm)
            norm_silu_backward(below, trace->z[i - 1] + first * in, trace->scale[i - 1] + first,
                               sums, rows, in);
        else
            relu_backward(below, h, sums, rows, in);
        slope = below;
    }
    long free = net->in[0] - fixed, width = net->out[0];
    if (x_slope)
        product_right(gemm, slope, net->weight[0] + fixed * width, x_slope + first * free, rows,
                      width, free);
}

// -- the squashed Gaussian ----------------------------------------------------------------------

// Raw deviations -> logarithms of standard deviations, LANES of them. NaN stays what it is.
static void bound(const Learner *l, const float *raw, float *log_std)
{
    float low = l->low, high = l->high;
    if (l->clamped)
        for (long i = 0; i < LANES; i++)
            log_std[i] = raw[i] < low ? low : raw[i] > high ? high : raw[i];
    else
        for (long i = 0; i < LANES; i++)
            log_std[i] = low + 0.5f * (high - low) * (hyperbolic_tangent(raw[i]) + 1.0f);
}

// head (rows, 2 size) holds mean and raw deviation, noise (rows, size). action, with `stride`
// elements between its rows, <- tanh(u); spread <- standard deviation; log_prob (rows).
static void squash(const Learner *l, const float *head, const float *noise, float *action,
                   long stride, float *spread, float *log_prob, long rows, long size)
{
    for (long row = 0; row < rows; row++) {
        log_prob[row] = 0.0f;
        for (long start = 0; start < size; start += LANES) {
            long at = row * size + start, n = size - start < LANES ? size - start : LANES;
            float mean[LANES] = {0}, raw[LANES] = {0}, e[LANES] = {0};
            float log_std[LANES], a[LANES], d[LANES], log_density[LANES];
            memcpy(mean, head + at + row * size, n * sizeof(float));
            memcpy(raw, head + at + (row + 1) * size, n * sizeof(float));
            memcpy(e, noise + at, n * sizeof(float));
            bound(l, raw, log_std);
            for (long i = 0; i < LANES; i++) {
                d[i] = exponential(log_std[i]);
                float u = mean[i] + d[i] * e[i], size_u = fabsf(u);
                a[i] = hyperbolic_tangent(u);
                float log_slope = 2.0f * (0.69314718f - size_u - log_one_plus(decay(size_u)));
                log_density[i] = -0.5f * e[i] * e[i] - log_std[i] - 0.91893853f - log_slope;
            }
            memcpy(action + row * stride + start, a, n * sizeof(float));
            memcpy(spread + at, d, n * sizeof(float));
            for (long i = 0; i < n; i++)
                log_prob[row] += log_density[i];
        }
    }
}

// Slopes at action, (rows, size), and log_prob, one for all rows -> slope at head (rows, 2 size).
static void squash_backward(const Learner *l, const float *head, const float *noise,
                            const float *action, long stride, const float *spread,
                            const float *action_slope, float log_prob_slope, float *head_slope,
                            long rows, long size)
{
    float low = l->low, high = l->high;
    long clamped = l->clamped;
    for (long row = 0; row < rows; row++) {
        const float *raw = head + row * 2 * size + size, *e = noise + row * size;
        const float *a = action + row * stride, *d = spread + row * size;
        const float *da = action_slope + row * size;
        float *mean_slope = head_slope + row * 2 * size, *raw_slope = mean_slope + size;
#pragma omp simd
        for (long i = 0; i < size; i++) {
            float du = da[i] * (1.0f - a[i] * a[i]) + log_prob_slope * 2.0f * a[i];
            float log_std_slope = du * d[i] * e[i] - log_prob_slope, t = hyperbolic_tangent(raw[i]);
            float within = raw[i] >= low && raw[i] <= high ? log_std_slope : 0.0f;
            mean_slope[i] = du;
            raw_slope[i] = clamped ? within : log_std_slope * 0.5f * (high - low) * (1.0f - t * t);
        }
    }
}

// -- optimizer ------------------------------------------------------------------------------------

// AdamW (Loshchilov and Hutter 2019) with torch's defaults, on gradients in `parts` arrays that are
// summed into the first; then average <- (1 - share) average + share value. A loop over the parts
// inside the one over parameters would keep compilers from vectorizing it.
static void adam(const Group *group, float *gradient, long parts, long threads)
{
    const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
    float step = ++*group->step;
    float rate = group->rate / (1.0f - powf(beta1, step));
    float correction = 1.0f / sqrtf(1.0f - powf(beta2, step));
    float keep = 1.0f - group->rate * group->decay;
    float *value = group->value, *first = group->first, *second = group->second;
    float *average = group->average, share = group->share;
    long size = group->size;
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long start = 0; start < size; start += PIECE) {
        long end = start + PIECE < size ? start + PIECE : size;
        for (long part = 1; part < parts; part++)
#pragma omp simd
            for (long i = start; i < end; i++)
                gradient[i] += gradient[part * size + i];
#pragma omp simd
        for (long i = start; i < end; i++) {
            float g = gradient[i];
            first[i] += (1.0f - beta1) * (g - first[i]);
            second[i] = beta2 * second[i] + (1.0f - beta2) * g * g;
            float deviation = sqrtf(second[i]) * correction + epsilon;
            value[i] = keep * value[i] - rate * first[i] / deviation;
        }
        if (average)
#pragma omp simd
            for (long i = start; i < end; i++)
                average[i] += share * (value[i] - average[i]);
    }
}

// -- an update --------------------------------------------------------------------------------------

// Everything that an update writes on, carved out of one array; (batch, ...) unless said.
typedef struct {
    float *x, *next_x;            // normalized observations with actions beside: what critics see
    Trace actor, *critics;        // one trace for each critic
    float *goals;                 // (count, batch, outputs), of the targets
    float *values;                // (count, batch), of the critics
    float *goal_probs, *loss;     // of categorical critics: (batch, outputs) and (count, batch)
    float *spread, *log_prob;     // of sampled actions
    float *value_slope;           // (count, batch, outputs)
    float *action_slope;          // (batch, actions)
    float *own_slope;             // (count, batch, actions), of the rows that a critic decides
    float *head_slope;            // (batch, 2 actions)
    float *actor_gradient;        // (shares, actor parameters)
    float *critic_gradient;       // (parts, critic parameters)
} Space;

typedef struct {
    float *base;
    long used;
} Arena;

static float *take(Arena *arena, long elements)
{
    float *taken = arena->base ? arena->base + arena->used : NULL;
    arena->used += (elements + LANES - 1) / LANES * LANES;
    return taken;
}

static Trace take_trace(Arena *arena, const Shape *shape, long batch, float *x, long stride)
{
    Trace trace = {.x = x, .stride = stride, .out = take(arena, batch * shape->outputs)};
    for (long i = 0; i < 2; i++) {
        trace.y[i] = take(arena, batch * shape->width);
        trace.z[i] = shape->layer_norm ? take(arena, batch * shape->width) : trace.y[i];
        trace.scale[i] = take(arena, batch);
        trace.slope[i] = take(arena, batch * shape->width);
    }
    return trace;
}

// Items of the stage that has most of them: more threads than that have nothing to do.
static long items_of(const Learner *l)
{
    return l->shares > l->critics.count ? l->shares : l->critics.count;
}

// Parts of the rows of one critic, so that all critics together have as many as there are shares.
static long parts_of(const Learner *l) { return items_of(l) / l->critics.count; }

// Columns that a matrix has at most.
static long widest(const Learner *l)
{
    const long columns[] = {l->critics.inputs, l->critics.width, l->critics.outputs,
                            l->actor.inputs,   l->actor.width,   l->actor.outputs};
    long most = 0;
    for (long i = 0; i < 6; i++)
        most = columns[i] > most ? columns[i] : most;
    return most;
}

static Space carve(const Learner *l, Arena *arena, Trace *critics)
{
    long n = l->batch, count = l->critics.count, inputs = l->critics.inputs;
    Space s = {.critics = critics};
    s.x = take(arena, n * inputs);
    s.next_x = take(arena, n * inputs);
    s.actor = take_trace(arena, &l->actor, n, s.next_x, inputs);
    for (long e = 0; e < count; e++)
        critics[e] = take_trace(arena, &l->critics, n, s.x, inputs);
    s.goals = take(arena, count * n * l->critics.outputs);
    s.values = take(arena, count * n);
    s.goal_probs = take(arena, n * l->critics.outputs);
    s.loss = take(arena, count * n);
    s.spread = take(arena, n * l->actions);
    s.log_prob = take(arena, n);
    s.value_slope = take(arena, count * n * l->critics.outputs);
    s.action_slope = take(arena, n * l->actions);
    s.own_slope = take(arena, count * n * l->actions);
    s.head_slope = take(arena, n * 2 * l->actions);
    s.actor_gradient = take(arena, l->shares * l->actor_group.size);
    s.critic_gradient = take(arena, parts_of(l) * l->critic_group.size);
    l->gemm->each = product_scratch(n, widest(l));
    l->gemm->scratch = take(arena, items_of(l) * l->gemm->each);
    return s;
}

static float normal(const Learner *l, float value, long i)
{
    float x = (value - l->shift[i]) * l->scale[i];
    return x < -l->limit ? -l->limit : x > l->limit ? l->limit : x;
}

// Rows of the batch into the arrays that networks see; sampled actions come into next_x later.
static void load(const Learner *l, const Batch *b, Space *s, long first, long end)
{
    long size = l->obs, actions = l->actions;
    for (long row = first; row < end; row++) {
        const float *obs = b->obs + row * b->row[0], *next = b->next_obs + row * b->row[3];
        float *x = s->x + row * (size + actions), *next_x = s->next_x + row * (size + actions);
        for (long i = 0; i < size; i++) {
            x[i] = normal(l, obs[i], i);
            next_x[i] = normal(l, next[i], i);
        }
        memcpy(x + size, b->action + row * b->row[1], actions * sizeof(float));
    }
}

// The actor at some rows of its inputs, and a sample of its actions beside the observations there.
static void act(const Learner *l, Space *s, const float *noise, long first, long rows)
{
    Network net = member(&l->actor, l->actor_group.value, 0);
    long size = l->obs, actions = l->actions;
    forward(l->gemm, &net, l->actor.layer_norm, &s->actor, first, rows);
    squash(l, s->actor.out + first * 2 * actions, noise + first * actions,
           s->actor.x + first * (size + actions) + size, size + actions,
           s->spread + first * actions, s->log_prob + first, rows, actions);
}

// The critic, the first of equals, with the smallest value at a row.
static long lowest(const float *values, long count, long batch, long row)
{
    long least = 0;
    for (long e = 1; e < count; e++)
        least = values[e * batch + row] < values[least * batch + row] ? e : least;
    return least;
}

static float smallest(const float *values, long count, long batch, long row)
{
    return values[lowest(values, count, batch, row) * batch + row];
}

// Equations 5 and 3: slope of the squared soft Bellman error at a critic's values.
static void bellman(const Learner *l, const Batch *b, Space *s, float alpha, long critic, long first,
                    long end)
{
    for (long row = first; row < end; row++) {
        float next = smallest(s->goals, l->critics.count, l->batch, row);
        float stays = 1.0f - b->terminated[row * b->row[4]];
        float goal = b->reward[row * b->row[2]] +
                     l->gamma * stays * (next - alpha * s->log_prob[row]);
        s->value_slope[critic * l->batch + row] = (s->critics[critic].out[row] - goal) / l->batch;
    }
}

// -- categorical critics, see categorical_critic.py -----------------------------------------------

static int categorical(const Learner *l) { return l->critics.outputs > 1; }

static Atoms atoms_of(const Learner *l)
{
    long count = l->critics.outputs;
    return (Atoms){count, l->lowest, (l->highest - l->lowest) / (count - 1), l->risk};
}

// Equations 1 and 2, of the target critic with the smaller mean.
static void goal_distributions(const Learner *l, const Batch *b, Space *s, float alpha, long first,
                               long end)
{
    Atoms atoms = atoms_of(l);
    for (long row = first; row < end; row++) {
        const float *least = NULL;
        float least_mean = 0.0f;
        for (long e = 0; e < l->critics.count; e++) {
            float *probs = s->goals + (e * l->batch + row) * atoms.count;
            softmax(probs, probs, atoms.count);
            float mean = mean_of(&atoms, probs);
            if (!least || mean < least_mean) {
                least = probs;
                least_mean = mean;
            }
        }
        float follows = l->gamma * (1.0f - b->terminated[row * b->row[4]]);
        float shift = b->reward[row * b->row[2]] - follows * alpha * s->log_prob[row];
        project(&atoms, least, shift, follows, s->goal_probs + row * atoms.count);
    }
}

// Equation 3: slope of the cross-entropy at a critic's logits, which become probabilities.
static void classify(const Learner *l, Space *s, long critic, long first, long end)
{
    Atoms atoms = atoms_of(l);
    for (long row = first; row < end; row++) {
        float *logits = s->critics[critic].out + row * atoms.count;
        long at = critic * l->batch + row;
        s->loss[at] = cross_entropy(logits, s->goal_probs + row * atoms.count, 1.0f / l->batch,
                                    s->value_slope + at * atoms.count, atoms.count);
        s->values[at] = mean_of(&atoms, logits);
    }
}

static void categorical_metrics(const Learner *l, const Space *s, Metrics *out)
{
    long n = l->batch, count = l->critics.count, last = l->critics.outputs - 1;
    double loss = 0.0, value = 0.0, low = 0.0, high = 0.0;
    for (long i = 0; i < count * n; i++) {
        loss += s->loss[i] / (double)n;
        value += s->values[i] / (double)(n * count);
    }
    for (long row = 0; row < n; row++) {
        low += s->goal_probs[row * (last + 1)] / (double)n;
        high += s->goal_probs[row * (last + 1) + last] / (double)n;
    }
    out->critic_loss = loss;
    out->value = value;
    out->low_end = low;
    out->high_end = high;
}

// What actions are worth to the actor by a critic: of a categorical one equation 4, its logits
// becoming probabilities.
static void worth(const Learner *l, Space *s, long critic, long first, long end)
{
    float *values = s->values + critic * l->batch, *out = s->critics[critic].out;
    if (!categorical(l)) {
        memcpy(values + first, out + first, (end - first) * sizeof(float));
        return;
    }
    Atoms atoms = atoms_of(l);
    for (long row = first; row < end; row++) {
        float *probs = out + row * atoms.count;
        softmax(probs, probs, atoms.count);
        values[row] = worst_mean(&atoms, probs);
    }
}

// Slope at the outputs of a critic of minus that, averaged over the batch.
static void worth_slope(const Learner *l, const Space *s, long critic, long row, float *slope)
{
    float weight = -1.0f / l->batch;
    if (!categorical(l)) {
        *slope = weight;
        return;
    }
    Atoms atoms = atoms_of(l);
    worst_mean_slope(&atoms, s->critics[critic].out + row * atoms.count, weight, slope);
}

// -- the two halves of an update ------------------------------------------------------------------

static void update_critics(const Learner *l, const Batch *b, Space *s, float alpha, Metrics *out)
{
    long n = l->batch, count = l->critics.count, parts = parts_of(l);
    long shares = l->shares, threads = l->threads, outputs = l->critics.outputs;
    (void)threads; // without OpenMP
    Gemm *gemm = l->gemm;
    s->actor.x = s->next_x;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long i = 0; i < shares; i++) {
        long first = i * n / shares, end = (i + 1) * n / shares;
        load(l, b, s, first, end);
        act(l, s, b->noise, first, end - first);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long item = 0; item < count * parts; item++) {
        long e = item / parts, first = item % parts * n / parts;
        long rows = (item % parts + 1) * n / parts - first;
        Network target = member(&l->critics, l->critic_group.average, e);
        Network net = member(&l->critics, l->critic_group.value, e);
        Trace trace = s->critics[e];
        trace.x = s->next_x;
        trace.out = s->goals + e * n * outputs;
        forward(gemm, &target, l->critics.layer_norm, &trace, first, rows);
        forward(gemm, &net, l->critics.layer_norm, &s->critics[e], first, rows);
    }
    if (categorical(l))
#pragma omp parallel for schedule(static) num_threads(threads)
        for (long i = 0; i < shares; i++)
            goal_distributions(l, b, s, alpha, i * n / shares, (i + 1) * n / shares);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long item = 0; item < count * parts; item++) {
        long e = item / parts, part = item % parts, first = part * n / parts;
        long end = (part + 1) * n / parts;
        float *flat = s->critic_gradient + part * l->critic_group.size;
        Network net = member(&l->critics, l->critic_group.value, e);
        Network gradient = member(&l->critics, flat, e);
        for (long i = 0; i < LAYERS; i++)
            memset(gradient.bias[i], 0, gradient.out[i] * sizeof(float));
        if (categorical(l))
            classify(l, s, e, first, end);
        else
            bellman(l, b, s, alpha, e, first, end);
        backward(gemm, &net, l->critics.layer_norm, &s->critics[e],
                 s->value_slope + e * n * outputs, &gradient, NULL, 0, first, end - first);
    }
    adam(&l->critic_group, s->critic_gradient, parts, threads);
    if (categorical(l)) {
        categorical_metrics(l, s, out);
        return;
    }
    double loss = 0.0, value = 0.0;
    for (long e = 0; e < count; e++)
        for (long row = 0; row < n; row++) {
            double error = (double)s->value_slope[e * n + row] * n;
            loss += 0.5 * error * error / n;
            value += s->critics[e].out[row] / (double)(n * count);
        }
    out->critic_loss = loss;
    out->value = value;
}

// Slope of the smallest value at the actions, for the rows where it is the one of this critic: the
// others have none through it. The trace keeps only those rows.
static void slope_at_actions(const Learner *l, Space *s, long critic, long first, long end)
{
    long n = l->batch, count = l->critics.count, actions = l->actions, own = first;
    long outputs = l->critics.outputs;
    Network net = member(&l->critics, l->critic_group.value, critic);
    Trace *trace = &s->critics[critic];
    float *slope = s->value_slope + critic * n * outputs;
    float *own_slope = s->own_slope + critic * n * actions;
    for (long row = first; row < end; row++)
        if (lowest(s->values, count, n, row) == critic) {
            keep(trace, l->critics.width, row, own);
            worth_slope(l, s, critic, row, slope + own++ * outputs);
        }
    backward(l->gemm, &net, l->critics.layer_norm, trace, slope, NULL, own_slope, l->obs, first,
             own - first);
    own = first;
    for (long row = first; row < end; row++)
        if (lowest(s->values, count, n, row) == critic)
            memcpy(s->action_slope + row * actions, own_slope + own++ * actions,
                   actions * sizeof(float));
}

// Equation 9, then 18.
static void update_actor(const Learner *l, const Batch *b, Space *s, float alpha, Metrics *out)
{
    long n = l->batch, count = l->critics.count, parts = parts_of(l);
    long shares = l->shares, threads = l->threads, size = l->obs, actions = l->actions;
    (void)threads;
    Gemm *gemm = l->gemm;
    s->actor.x = s->x;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long i = 0; i < shares; i++) {
        long first = i * n / shares, end = (i + 1) * n / shares;
        act(l, s, b->actor_noise, first, end - first);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long item = 0; item < count * parts; item++) {
        long e = item / parts, first = item % parts * n / parts;
        long rows = (item % parts + 1) * n / parts - first;
        Network net = member(&l->critics, l->critic_group.value, e);
        forward(gemm, &net, l->critics.layer_norm, &s->critics[e], first, rows);
        worth(l, s, e, first, first + rows);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long item = 0; item < count * parts; item++) {
        long e = item / parts, first = item % parts * n / parts;
        long end = (item % parts + 1) * n / parts;
        slope_at_actions(l, s, e, first, end);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long i = 0; i < shares; i++) {
        long first = i * n / shares, rows = (i + 1) * n / shares - first;
        float *head_slope = s->head_slope + first * 2 * actions;
        squash_backward(l, s->actor.out + first * 2 * actions, b->actor_noise + first * actions,
                        s->x + first * (size + actions) + size, size + actions,
                        s->spread + first * actions, s->action_slope + first * actions, alpha / n,
                        head_slope, rows, actions);
        Network net = member(&l->actor, l->actor_group.value, 0);
        Network gradient = member(&l->actor, s->actor_gradient + i * l->actor_group.size, 0);
        for (long k = 0; k < LAYERS; k++)
            memset(gradient.bias[k], 0, gradient.out[k] * sizeof(float));
        backward(gemm, &net, l->actor.layer_norm, &s->actor, s->head_slope, &gradient, NULL, 0,
                 first, rows);
    }
    adam(&l->actor_group, s->actor_gradient, shares, threads);
    double log_prob = 0.0, value = 0.0;
    for (long row = 0; row < n; row++) {
        log_prob += s->log_prob[row] / n;
        value += smallest(s->values, count, n, row) / n;
    }
    float lack = log_prob + l->target_entropy, alpha_slope = -lack;
    out->actor_loss = alpha * log_prob - value;
    out->entropy = -log_prob;
    out->alpha_loss = -*l->alpha_group.value * lack;
    adam(&l->alpha_group, &alpha_slope, 1, 1);
}

// Number of floats that `update` needs at learner->scratch.
long scratch_size(const Learner *learner)
{
    Arena arena = {NULL, 0};
    Trace *critics = malloc(learner->critics.count * sizeof(Trace));
    if (!critics)
        return -1;
    carve(learner, &arena, critics);
    free(critics);
    return arena.used;
}

// Critics, then actor and temperature if there is noise for them; 1: no memory, nothing changed.
int update(const Learner *learner, const Batch *batch, Metrics *metrics)
{
    Trace *critics = malloc(learner->critics.count * sizeof(Trace));
    if (!critics)
        return 1;
    Learner l = *learner;
    l.threads = l.threads < items_of(&l) ? l.threads : items_of(&l); // each has scratch of its own
    Arena arena = {l.scratch, 0};
    Space space = carve(&l, &arena, critics);
    float alpha = expf(*l.alpha_group.value);
    update_critics(&l, batch, &space, l.entropy_in_target ? alpha : 0.0f, metrics);
    if (batch->actor_noise)
        update_actor(&l, batch, &space, alpha, metrics);
    free(critics);
    return 0;
}

// Send the threads that helped away: where they wait for more, they would keep their cores busy.
void dismiss(void)
{
#ifdef _OPENMP
    omp_pause_resource_all(omp_pause_soft);
#endif
}
