// What is wrong with a function's source, each with its place.
import { shown, type Problem } from '../../functions/bundle/problems.ts';

export function ProblemList({ problems, go }: { problems: Problem[]; go?: (problem: Problem) => void }) {
  return (
    <ul className="problems">
      {problems.map((problem, index) => {
        const { message, file, line, column, source } = problem;
        return (
          <li key={index}>
            {file && line !== undefined
              ? <>{go ? <button type="button" className="row-open" onClick={() => go(problem)}><code>{file}:{line}:{column}</code></button> : <code>{file}:{line}:{column}</code>} {message}</>
              : shown(problem)}
            {source && source.trim() !== '' && <code className="problem-line">{source.trim().slice(0, 200)}</code>}
          </li>
        );
      })}
    </ul>
  );
}
