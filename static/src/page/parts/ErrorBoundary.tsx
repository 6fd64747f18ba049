// The last catch: a fault in the page is a message with a way out, never a blank page.
import { Component, type ReactNode } from 'react';

interface Props { what: string; children: ReactNode }

export class ErrorBoundary extends Component<Props, { fault?: Error }> {
  override state: { fault?: Error } = {};

  static getDerivedStateFromError(fault: unknown) {
    return { fault: fault instanceof Error ? fault : new Error(String(fault)) };
  }

  override render() {
    const { fault } = this.state;
    if (!fault) return this.props.children;
    return (
      <div role="alert" className="fault">
        <h2>{this.props.what} stopped working</h2>
        <p>This is a fault of the page. Your data is not touched.</p>
        <pre>{fault.message}</pre>
        <p>
          <button type="button" onClick={() => this.setState({ fault: undefined } as never)}>Try again</button>{' '}
          <button type="button" onClick={() => location.reload()}>Reload the page</button>
        </p>
      </div>
    );
  }
}
