// The page's entry.
import '@mantine/core/styles.css';
import './page.css';
import { MantineProvider } from '@mantine/core';
import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { GatewayContext } from './gateway/context.ts';
import { currentProject, rememberProject } from './gateway/project.ts';
import { start } from './gateway/start.ts';
import { ErrorBoundary } from './parts/ErrorBoundary.tsx';
import { cssVariables, theme } from './theme.ts';

const project = currentProject();
rememberProject(project);
const gateway = start(project);

createRoot(document.getElementById('root')!).render(
  <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
    <ErrorBoundary what="The page">
      <GatewayContext value={gateway}>
        <App />
      </GatewayContext>
    </ErrorBoundary>
  </MantineProvider>,
);
