const SUBJECTS = [
  'a lighthouse',
  'an old clock',
  'two rivers',
  'a paper boat',
  'the night train',
  'a blue door',
  'the last orchard',
  'a street market',
];
const TASKS = [
  'Write a short story about SUBJECT and the people who live near it. Begin with the weather, then introduce one character with a secret, and end with a question that the reader will keep thinking about.',
  'Explain to a curious child how SUBJECT came to be where it is now. Use simple words, give one example from daily life, mention one number, and close with something the child could try at home.',
];

/** About 40 words each, no two alike from the first word on. */
export function distinctPrompts(count: number, round: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const subject = SUBJECTS[index % SUBJECTS.length]!;
    const task = TASKS[Math.floor(index / SUBJECTS.length) % TASKS.length]!;
    return `Request ${round * count + index}. ${task.replace('SUBJECT', subject)}`;
  });
}
