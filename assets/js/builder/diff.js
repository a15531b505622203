// The difference between two texts, line by line (the shortest edit by a longest common subsequence).

const MOST_CELLS = 4_000_000;

/** [{kind: 'same' | 'removed' | 'added', text}] that leads from `before` to `after`. */
export function diffLines(before, after) {
  const one = before.split("\n");
  const other = after.split("\n");
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start++;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one.at(-1 - end) === other.at(-1 - end)) end++;
  return [
    ...one.slice(0, start).map((text) => ({ kind: "same", text })),
    ...diffMiddle(one.slice(start, one.length - end), other.slice(start, other.length - end)),
    ...one.slice(one.length - end).map((text) => ({ kind: "same", text })),
  ];
}

function diffMiddle(one, other) {
  if (one.length * other.length > MOST_CELLS) return replaceAll(one, other);
  const lengths = measureCommon(one, other);
  const result = [];
  let i = 0;
  let j = 0;
  while (i < one.length && j < other.length) {
    if (one[i] === other[j]) {
      result.push({ kind: "same", text: one[i++] });
      j++;
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) result.push({ kind: "removed", text: one[i++] });
    else result.push({ kind: "added", text: other[j++] });
  }
  return [...result, ...replaceAll(one.slice(i), other.slice(j))];
}

const replaceAll = (one, other) => [
  ...one.map((text) => ({ kind: "removed", text })),
  ...other.map((text) => ({ kind: "added", text })),
];

/** lengths[i][j]: how many lines one[i..] and other[j..] have in common, in order. */
function measureCommon(one, other) {
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint32Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      lengths[i][j] = one[i] === other[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}
