// The look: dense, calm, and near Supabase Studio's own.
import { Button, createTheme, defaultVariantColorsResolver, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const green: MantineColorsTuple = ['#e9fbf2', '#cff5e1', '#a5ecc8', '#72e3ad', '#3ecf8e', '#24b47e', '#138a5c', '#0b6e4a', '#006239', '#003d24'];
const dark: MantineColorsTuple = ['#ededed', '#b8b8b8', '#9a9a9a', '#707070', '#3a3a3a', '#2c2c2c', '#1f1f1f', '#171717', '#121212', '#0d0d0d'];
const gray: MantineColorsTuple = ['#fafafa', '#f3f3f3', '#ebebeb', '#e0e0e0', '#d0d0d0', '#b0b0b0', '#858585', '#525252', '#3a3a3a', '#262626'];
const sans = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif';
const mono = 'ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

export const theme = createTheme({
  primaryColor: 'green',
  colors: { green, gray, dark },
  primaryShade: { light: 7, dark: 4 },
  fontFamily: sans,
  fontFamilyMonospace: mono,
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: { fontFamily: sans, fontWeight: '500', sizes: { h1: { fontSize: '1.125rem', lineHeight: '1.5' }, h2: { fontSize: '0.9375rem', lineHeight: '1.5' }, h3: { fontSize: '0.8125rem', lineHeight: '1.5' } } },
  defaultRadius: 'sm',
  radius: { xs: '3px', sm: '6px', md: '8px' },
  cursorType: 'pointer',
  focusRing: 'auto',
  respectReducedMotion: true,
  // Studio's primary button: dark letters on light green by day, light letters on deep green by night.
  variantColorResolver: (input) =>
    input.variant === 'filled' && (input.color ?? 'green') === 'green'
      ? { background: 'var(--page-primary)', hover: 'var(--page-primary-hover)', color: 'var(--page-primary-text)', border: '1px solid var(--page-primary-edge)' }
      : defaultVariantColorsResolver(input),
  components: {
    Button: Button.extend({ defaultProps: { size: 'xs', variant: 'default' } }),
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray', size: 'md' } },
    TextInput: { defaultProps: { size: 'xs' } },
    Textarea: { defaultProps: { size: 'xs' } },
    Select: { defaultProps: { size: 'xs' } },
    NativeSelect: { defaultProps: { size: 'xs' } },
    Autocomplete: { defaultProps: { size: 'xs' } },
    SegmentedControl: { defaultProps: { size: 'xs' } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300, fz: 'xs' } },
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: { '--mantine-font-weight-medium': '500' },
  light: {
    '--mantine-color-body': '#fcfcfc',
    '--mantine-color-text': '#171717',
    '--mantine-color-dimmed': '#666666',
    '--mantine-color-placeholder': '#767676',
    '--mantine-color-default': '#ffffff',
    '--mantine-color-default-hover': '#f3f3f3',
    '--mantine-color-default-border': '#d8d8d8',
    '--mantine-color-error': '#b42318',
    '--mantine-color-anchor': '#0b6e4a',
    '--mantine-color-red-outline': '#b42318',
    '--page-surface': '#ffffff',
    '--page-sunken': '#f6f6f6',
    '--page-line': '#e4e4e4',
    '--page-accent': '#0b6e4a',
    '--page-good': '#0b6e4a',
    '--page-warn': '#8a5300',
    '--page-bad': '#b42318',
    '--page-primary': '#72e3ad',
    '--page-primary-hover': '#5fd9a0',
    '--page-primary-edge': '#3ab883',
    '--page-primary-text': '#0f1f17',
    '--page-string': '#0b6e4a',
    '--page-number': '#8a4b00',
    '--page-keyword': '#6d3fb8',
    '--page-name': '#175a9c',
  },
  dark: {
    '--mantine-color-body': '#121212',
    '--mantine-color-text': '#ededed',
    '--mantine-color-dimmed': '#a0a0a0',
    '--mantine-color-placeholder': '#8c8c8c',
    '--mantine-color-default': '#1f1f1f',
    '--mantine-color-default-hover': '#292929',
    '--mantine-color-default-border': '#3a3a3a',
    '--mantine-color-error': '#ff8f85',
    '--mantine-color-anchor': '#3ecf8e',
    '--mantine-color-red-outline': '#ff8f85',
    '--page-surface': '#181818',
    '--page-sunken': '#141414',
    '--page-line': '#2b2b2b',
    '--page-accent': '#3ecf8e',
    '--page-good': '#3ecf8e',
    '--page-warn': '#f0b04f',
    '--page-bad': '#ff8f85',
    '--page-primary': '#006239',
    '--page-primary-hover': '#00713f',
    '--page-primary-edge': '#1f8a5c',
    '--page-primary-text': '#f1fff8',
    '--page-string': '#6fdcaa',
    '--page-number': '#f0b779',
    '--page-keyword': '#c2a4f5',
    '--page-name': '#8fc1f5',
  },
});
