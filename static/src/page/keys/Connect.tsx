// Code that reaches the project, ready to paste.
import { Code } from '../parts/Code.tsx';
import { useGateway, useKeys } from '../gateway/context.ts';
import { projectUrl } from '../gateway/project.ts';

export function Connect() {
  const { project } = useGateway();
  const key = useKeys()?.publishable ?? 'PUBLISHABLE_KEY';
  const url = projectUrl(project);
  return (
    <section aria-labelledby="connect-title" className="card">
      <h2 id="connect-title">Connect</h2>
      <p className="quiet">Any page of this origin reaches it; so does this page’s own console. To reach it from a terminal, run <code>cargo xtask serve</code>, which prints its own URL and keys. The table <code>products</code> comes with the <a href="#/sample">sample data</a>.</p>
      <div className="pair">
        <Code
          title="supabase-js"
          what="the supabase-js snippet"
          text={`import { createClient } from '@supabase/supabase-js'\n\nconst supabase = createClient(\n  '${url}',\n  '${key}',\n)\n\nconst { data, error } = await supabase\n  .from('products')\n  .select('name, price')\n  .limit(3)`}
        />
        <Code title="curl" what="the curl snippet" text={`curl '${url}/rest/v1/products?select=name,price&limit=3' \\\n  -H 'apikey: ${key}'`} />
      </div>
    </section>
  );
}
