// Rows of the categorical critic; equation numbers are those of categorical_critic.py. Included by
// sac_update.c, whose `exponential` it uses.

typedef struct {
    long count;       // N
    float low, step;  // the lowest of them, and what is between two
    float risk;       // share of the returns, the worst ones, that the actor is after
} Atoms;

// probs (N) <- softmax of logits (N), which may be the same array; the logarithm of the sum.
static float softmax(const float *logits, float *probs, long count)
{
    float top = logits[0], sum = 0.0f;
#pragma omp simd reduction(max : top)
    for (long i = 0; i < count; i++)
        top = logits[i] > top ? logits[i] : top;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < count; i++) {
        float x = logits[i] - top;
        probs[i] = exponential(x < -80.0f ? -80.0f : x); // keeps NaN
        sum += probs[i];
    }
    float scale = 1.0f / sum;
#pragma omp simd
    for (long i = 0; i < count; i++)
        probs[i] *= scale;
    return top + logf(sum);
}

static float atom(const Atoms *atoms, long i) { return atoms->low + i * atoms->step; }

static float mean_of(const Atoms *atoms, const float *probs)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < atoms->count; i++)
        sum += probs[i] * atom(atoms, i);
    return sum;
}

// Equation 2: projected (N) <- probs (N) at shift + scale z.
static void project(const Atoms *atoms, const float *probs, float shift, float scale,
                    float *projected)
{
    long last = atoms->count - 1;
    float start = (shift + scale * atoms->low - atoms->low) / atoms->step;
    for (long i = 0; i <= last; i++)
        projected[i] = start == start ? 0.0f : start; // NaN is no index
    if (start != start)
        return;
    for (long i = 0; i <= last; i++) {
        float place = start + scale * i;
        place = place < 0.0f ? 0.0f : place > last ? last : place;
        long below = place < last ? (long)place : last - 1;
        float above_share = place - below;
        projected[below] += probs[i] * (1.0f - above_share);
        projected[below + 1] += probs[i] * above_share;
    }
}

// The first atom up to which the probabilities sum up to the share that counts, of equation 4.
static float quantile(const Atoms *atoms, const float *probs)
{
    float sum = 0.0f;
    for (long i = 0; i < atoms->count - 1; i++) {
        sum += probs[i];
        if (!(sum < atoms->risk))
            return atom(atoms, i);
    }
    return atom(atoms, atoms->count - 1);
}

// Mean of the worst share: equation 4.
static float worst_mean(const Atoms *atoms, const float *probs)
{
    if (atoms->risk == 1.0f)
        return mean_of(atoms, probs);
    float edge = quantile(atoms, probs), sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < atoms->count; i++) {
        float below = edge - atom(atoms, i);
        sum += probs[i] * (below > 0.0f ? below : 0.0f);
    }
    return edge - sum / atoms->risk;
}

// slope (N) <- weight times the slope of that mean by the logits.
static void worst_mean_slope(const Atoms *atoms, const float *probs, float weight, float *slope)
{
    int all = atoms->risk == 1.0f;
    float edge = all ? atom(atoms, atoms->count - 1) : quantile(atoms, probs), mean = 0.0f;
#pragma omp simd reduction(+ : mean)
    for (long i = 0; i < atoms->count; i++) {
        float below = atom(atoms, i) - edge;
        slope[i] = below < 0.0f ? below : 0.0f;
        mean += probs[i] * slope[i];
    }
    weight /= atoms->risk;
#pragma omp simd
    for (long i = 0; i < atoms->count; i++)
        slope[i] = weight * probs[i] * (slope[i] - mean);
}

// slope (N) <- weight times that of the cross-entropy from goal by the logits, which are replaced
// by their softmax; the cross-entropy: equation 3.
static float cross_entropy(float *logits, const float *goal, float weight, float *slope, long count)
{
    float along = 0.0f, mass = 0.0f;
#pragma omp simd reduction(+ : along, mass)
    for (long i = 0; i < count; i++) {
        along += goal[i] * logits[i];
        mass += goal[i];
    }
    float log_sum = softmax(logits, logits, count);
#pragma omp simd
    for (long i = 0; i < count; i++)
        slope[i] = weight * (logits[i] * mass - goal[i]);
    return mass * log_sum - along;
}
